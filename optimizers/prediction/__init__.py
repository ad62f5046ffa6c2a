"""Forecasting the score and the cost of every arm on a new question."""
