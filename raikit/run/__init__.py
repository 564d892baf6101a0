"""The record of an audit and its folder: results, predictions, manifest, summary, and how to read them back.

This room must not know how a number was measured or judged: no data, model, check or policy.
"""
