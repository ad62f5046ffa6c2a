"""The proof: when the joint choice is better than routing, allocating, or one after the other, and by how much.

What the package offers by name is imported from `apportion`. The rest is internal to it and may change without notice:

- `optimizers.tables`, `.policies`, `.prediction`, `.serving.replay_batch`: policies are fitted on tables with several
  portfolios, share predictor and cascades over caps, and choose thousands of times for one batch; `optimize` does each
  of these once.
- `optimizers.arrays`, `.bootstrap`, `.concurrency`: what these are written in.
- `graphs.run`, `.resolved`, `.result`, `budgets.cap`, `models.card`, `records.*`, `tasks.metrics`: plans are measured
  in blocks with books of their own, in two units at once, with what shows of every answer.
- `tasks.families.corpus`, `models.pocket.load_pocket_model`: corpora of many seeds, and one model for one process.
- `cli.loading`, `.output`: the command writes as the others do.
"""
