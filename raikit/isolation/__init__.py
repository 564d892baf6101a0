"""Checks, report formats and listeners of other distributions, each run in a child process of its own.

It must not plan or judge; JSON goes in and comes out, and a child that dies costs one result.
"""
