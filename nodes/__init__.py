"""The kinds of node, how they speak to models, and how they vote."""
