"""What the checks measure: attributions, shares and intervals, as arrays. Knows nothing of sentences, tables and figures."""
