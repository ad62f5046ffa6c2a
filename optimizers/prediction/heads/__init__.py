"""Heads: what predicts every arm's score, and what predicts its cost, from what can be told of a question."""
