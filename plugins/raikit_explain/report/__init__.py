"""Findings, tables and figures, written from the estimates. Measures nothing itself."""
