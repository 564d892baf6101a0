"""The record in the formats of others: tables, model cards, bills of materials, PDF, and an index for auditors."""
