"""Prompts by dialect."""
