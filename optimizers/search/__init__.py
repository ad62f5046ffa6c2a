"""Searching over plans: the optimizers by name, and what they believe of scores and costs."""
