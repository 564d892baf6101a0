"""The configuration, audit.yaml: which model is audited, on which data, by which checks, under which policy.

This room must not read data, models or plugins; it validates keys and values and names the line of a mistake.
"""
