"""Constraint problems as closed data: read, solved in a worker, and checked again in Python."""
