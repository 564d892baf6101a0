"""The verdict: rules and regressions judged on intervals, waivers, baselines, and how both went over time.

It must not know a pillar, nor run a check: it reads records, and compares through `Check.compare`.
"""
