"""The verdict: rules and regressions judged on intervals, waivers, baselines, and the history of several runs.

This room must not know a pillar, nor run a check: it reads records, and compares runs through `Check.compare`.
"""
