"""Dev sets and their parts, metrics, and generated families of questions."""
