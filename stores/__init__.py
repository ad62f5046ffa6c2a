"""The books of a study in one SQLite file: ledger, reply cache, traces.

Open it with `open_store`. Whoever wants to ask it questions of his own may open the file with any SQLite tool, also
while it is written, or use `Store.query`. The views are kept stable; docs/database.md lists them:

- `runs_read` (study_id, part, plan, question, gold, answer, status, reason, score, tokens, usd), and `run_details` with
  all else that is known of a run; golds of the test part are not shown.
- `calls_read`, `spans_read`: with prompts, replies, reasoning, passages and events as text; `unread_replies`.
- `tokens_by_node_model_plan`, `tokens_per_node`, `cost_per_run`, `study_costs`, `spend`: where the tokens went.
- `plans_by_question`, `failures`, `gates`, `stages`.

Texts longer than 256 KiB are cut, with a mark; what looks like an API key is blotted out before it is written. Long
texts are in `text`, each once, under the first 32 hexadecimal digits of the SHA-256 of what is kept.
"""

from .opening import open_store
from .store import Store

__all__ = ["Store", "open_store"]
