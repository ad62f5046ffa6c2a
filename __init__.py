"""Which model answers each step of an agent graph, with how much compute, under one hard token cap."""
