"""Outcome tables: what every arm scored and cost on every question, where that comes from, and what is chosen there."""
