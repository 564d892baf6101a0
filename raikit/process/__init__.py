"""Child processes, and what a process shares: streams, seeds, signals, threads, working directory.

It must not know of audits, checks or records; it is told what to run and what to restore.
"""
