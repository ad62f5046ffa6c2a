"""Graphs of nodes, their plans and spaces, and how one task runs through them on LangGraph."""
