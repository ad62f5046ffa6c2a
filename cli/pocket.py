"""`apportion pocket`: the embedded models, served to any OpenAI client on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import AllowHost, Port, ReadyFile
from .output import say

__all__ = ["app"]

app = typer.Typer(help="The embedded models as a server.", no_args_is_help=True)


@app.command("serve")
def serve(
    port: Port = 8000,
    host: Annotated[str, typer.Option(help="A loopback address; others are refused.")] = "127.0.0.1",
    queue: Annotated[
        int, typer.Option(min=1, help="The most samples that run or wait at once; then clients get a 429.")
    ] = 1024,
    allow_host: AllowHost = None,
    json: ReadyFile = None,
) -> None:
    """Serve the embedded models to OpenAI's clients until Ctrl-C; what was begun is finished first."""
    from json import dumps

    from ..models.pocket.serving import PocketServer
    from .loading import write_json

    server = PocketServer(host=host, port=port, queue=queue, allow_hosts=allow_host or ())

    def ready() -> None:
        write_json(json, dumps({"base_url": server.base_url, "models": server.models}, indent=2))
        say(f"serving {', '.join(server.models)} at {server.base_url} (Ctrl-C stops)", flush=True)

    server.run(ready)
