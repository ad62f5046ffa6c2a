"""`make proof`: when is it better to choose model and compute together, and by how much?"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    db: Annotated[str, typer.Option(help="SQLite file of the study; outcomes are kept beside it.")] = "proof.db",
    out: Annotated[str, typer.Option(help="Where to write the report as one HTML page.")] = "proof.html",
    json: Annotated[str | None, typer.Option(help="Write the findings to this file.", metavar="FILE")] = None,
    document: Annotated[
        str | None, typer.Option(help="Write the results into this document, between its marks.", metavar="FILE")
    ] = None,
    questions: Annotated[
        int | None, typer.Option(help="Test questions, a multiple of the number of families.", min=64)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the test questions; a new one makes a new test part.")] = None,
    draws: Annotated[
        int, typer.Option(help="Of the bootstrap; fewer cannot show a difference among so many.", min=500)
    ] = 2000,
    processes: Annotated[int, typer.Option(help="How many are at work at once.", min=1)] = 2,
) -> None:
    """Compare the joint policy with its rivals on the embedded models, offline.

    Started again, it measures nothing twice.
    """
    from apportion import Pool, load_pocket_models, open_store
    from apportion.cli.loading import write_json
    from apportion.cli.output import say

    from .evidence import TEST_SEED
    from .protocol import Protocol
    from .report_html import html_report
    from .report_text import check_document, text_report, with_results
    from .study import run_proof

    whole = Protocol()
    count = whole.questions if questions is None else questions
    protocol = Protocol(questions=count, replicated=min(whole.replicated, count // 8), draws=draws)
    # Read before hours of work, so that a document that cannot be written is found out now.
    text = None if document is None else _read(document)
    if text is not None:
        check_document(text)
    started = time.monotonic()

    def told(line: str) -> None:
        print(f"{time.monotonic() - started:7.0f} s  {line}", file=sys.stderr, flush=True)

    store = open_store(db)
    try:
        findings = run_proof(
            Pool(load_pocket_models()),
            protocol,
            Path(f"{db}.tables"),
            store,
            open_store,
            test_seed=TEST_SEED if seed is None else seed,
            processes=processes,
            told=told,
        )
    finally:
        store.close()
    say(text_report(findings).removesuffix("\n"))
    Path(out).write_text(html_report(findings), encoding="utf-8")
    write_json(json, findings.model_dump_json(indent=2))
    if document is not None and text is not None:
        Path(document).write_text(with_results(text, findings), encoding="utf-8")
    say(f"\nreport  {out}")


def _read(document: str) -> str:
    from apportion import UsageError

    try:
        return Path(document).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {document!r}: {error.strerror}") from error
