"""What the checks measure: budgets, private training, costs and attacks. Knows nothing of sentences, tables and figures."""
