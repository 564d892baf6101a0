"""Models that are loaded or trained, and their scores: from a `Dataset` to predictions.parquet.

This room must not know which checks examine a model, nor what a policy requires of it.
"""
