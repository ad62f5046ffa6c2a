"""The deployed policy, its file, and serving batches under one hard cap."""
