"""Servers in front of a pool: the proxy, and a policy as a model."""
