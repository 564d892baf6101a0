"""Findings, tables and figures made from the estimates. Nothing here computes an estimate."""
