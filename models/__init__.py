"""Models, what is known of them, and the metered caller that is the only way to them."""
