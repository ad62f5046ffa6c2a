"""Measuring plans, searching among them, and reporting what was found."""
