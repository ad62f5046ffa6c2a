"""Servers in front of a pool: the proxy."""
