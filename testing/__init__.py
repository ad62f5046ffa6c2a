"""Conformance suites for those who add a node kind, a model, an optimizer, a metric or a store."""
