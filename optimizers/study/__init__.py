"""The search as a whole: its spec, its phases and its report."""
