"""The books of a study in one SQLite file: ledger, reply cache, traces.

Open it with `open_store`. Whoever wants to ask it questions of his own may open the file with any SQLite tool, also
while it is written; these views are kept stable:

- `tokens_per_node` (run_id, node, kind): spans, calls, cached_calls, input_tokens, output_tokens, charged_tokens,
  lost_tokens, usd.
- `cost_per_run` (run_id, trial_id, task_id, plan_hash, status, score): calls, tokens charged, lost and paid, weighted
  tokens, dollars, latency along the critical path, seconds.
- `failures` (what, id, run_id, at, status, name, reason, lost_tokens): runs, spans and calls that did not end well, and
  reservations whose process ended.
- `spend` (account_id, parent_id, label): limit, used and free in the unit of the limit; tokens and dollars charged,
  lost, paid; calls in flight.

Texts longer than 256 KiB are cut, with a mark; what looks like an API key is blotted out before it is written. Long
texts are in `blob`, compressed with zlib, under the SHA-256 of what is kept.
"""

from .opening import open_store
from .store import Store

__all__ = ["Store", "open_store"]
