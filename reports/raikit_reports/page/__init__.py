"""``report.html``: the record laid out as one offline page, with its figures, tables and templates.

Only this package knows HTML. It renders from the record alone.
"""
