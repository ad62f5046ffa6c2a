"""What tables and runs say of a graph: headroom, rounds against depth, votes, edges, gain at equal cost."""
