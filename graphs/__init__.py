"""Graphs, plans and spaces, and running one task."""
