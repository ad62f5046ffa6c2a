"""Scripts that print ratios of one run; see `__main__`."""
