"""What the shipped models can do, measured and written to `docs/pocket.md`."""
