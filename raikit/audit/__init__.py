"""An audit from request to report: plan, open, score, run checks, judge, report. Start with `conductor`.

It must not know a pillar or a report format by name, nor be imported by the stages that it calls.
"""
