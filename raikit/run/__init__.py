"""The record of an audit and its folder: results, predictions, manifest, summary, and the way back from disk.

It must not know how a number was measured or judged: no data, no model, no check, no policy.
"""
