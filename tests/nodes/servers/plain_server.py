"""An MCP server over standard input and output, written by hand so that it can do what no honest one does.

`python plain_server.py HABIT [FOLDER]`: the habit says what is odd about it. Into the folder it writes its process id.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

HABIT = sys.argv[1]
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
NAMED: dict[str, list[tuple[Any, Any]]] = {
    "no name": [("", TEXT)],
    "long name": [("x" * 80, TEXT)],
    "dotted name": [("files/read.all", TEXT), ("echo", TEXT)],
    "twice": [("echo", TEXT), ("echo", TEXT)],
    "same when told": [("a.b", TEXT), ("a/b", TEXT)],
    "no object": [("echo", {"type": "string"})],
    "no schema": [("echo", {"type": "object", "properties": {"text": {"type": "words"}}})],
    "no dictionary": [("echo", "text")],
    "far reference": [("echo", {"type": "object", "properties": {"text": {"$ref": "http://127.0.0.1:9/x"}}})],
    "slow pattern": [("echo", {"type": "object", "patternProperties": {"(x+x+)+y": {"type": "integer"}}})],
    "many": [(f"tool{number:03}", TEXT) for number in range(100)],
    "none": [],
}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def result(text: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


def fixed() -> dict[str, Any] | None:
    """The result of a habit that always has the same."""
    match HABIT:
        case "fails":
            return result("no such town\nin line 2") | {"isError": True}
        case "huge":
            return result("é" * 10_000_000)
        case "structures":
            return {"content": [], "structuredContent": {"people": 7}}
        case "tells its key":
            return result(f"401 for {os.environ['TOWN_KEY']}")
        case "cuts a sign":
            return result("cut \ud83d")
        case "breaks off":
            return {"content": "no list"}
    return None


def called(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    match HABIT:
        case "dies":
            sys.stderr.write("out of luck\n")
            sys.stderr.flush()
            os._exit(3)
        case "dies once" if not (Path(sys.argv[2]) / "died").exists():
            (Path(sys.argv[2]) / "died").touch()
            os._exit(4)
        case "sleeps":
            time.sleep(60)
        case "shows":
            image = {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"}
            link = {"type": "resource_link", "name": "report", "uri": "file:///report.pdf"}
            text = {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "within"}}
            blob = {"type": "resource", "resource": {"uri": "file:///b", "blob": "aGVsbG8h", "mimeType": "x/y"}}
            return {"content": [result("see")["content"][0], image, link, text, blob]}
        case "never ends a line":
            while True:
                os.write(1, b"x" * 1_000_000)
    return fixed() or result(f"{name}: {arguments.get('text')}")


def reply(request: dict[str, Any]) -> Any:
    match request["method"]:
        case "initialize":
            version = "1999-01-01" if HABIT == "old" else request["params"]["protocolVersion"]
            info = {"name": "plain", "version": "1"}
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            tools = [{"name": n, "inputSchema": s, "description": "d"} for n, s in NAMED.get(HABIT, [("echo", TEXT)])]
            cursor = request.get("params", {}).get("cursor")
            if HABIT == "pages" and cursor is None:
                return {"tools": [], "nextCursor": "2"}
            return {"tools": tools}
        case "tools/call":
            return called(request["params"]["name"], request["params"]["arguments"])
        case "ping":
            return {}
    return None


def main() -> None:
    if len(sys.argv) > 2:
        with (Path(sys.argv[2]) / "pids").open("a") as pids:
            pids.write(f"{os.getpid()}\n")
    if HABIT == "stays":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if HABIT == "cannot start":
        sys.exit("no configuration")
    if HABIT == "prints":
        say("Welcome!\n\n{}\n[1, 2]\n{'a'")
    if HABIT == "only prints":
        say("Usage: plain_server")
    while HABIT in ("only prints", "says nothing"):
        time.sleep(60)
    if HABIT == "writes much to its error stream":
        sys.stderr.write("noise\n" * 200_000)
    if HABIT == "environment":
        NAMED[HABIT] = [(name, TEXT) for name in sorted(os.environ) if name.startswith("TOWN")] or [("nothing", TEXT)]
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request:
            said = reply(request)
            error = {"error": {"code": -32601, "message": "there is no such method"}}
            answer = error if said is None else {"result": said}
            say(json.dumps({"jsonrpc": "2.0", "id": request["id"], **answer}))
    while HABIT == "stays":
        time.sleep(1)


if __name__ == "__main__":
    main()
