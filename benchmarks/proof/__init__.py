"""The proof: when the joint choice is better than routing, allocating, or one after the other, and by how much."""
