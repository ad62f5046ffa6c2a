"""A tiny MCP server that knows towns; `mcp_server.py` starts it and talks to it over its standard input and output."""

from mcp.server import MCPServer

PEOPLE = {"Oslo": 718, "Bern": 137, "Riga": 605, "Graz": 303, "Brno": 402, "Lyon": 522}

server = MCPServer("towns")


@server.tool()
def people(town: str) -> str:
    """How many people live in a town."""
    if town not in PEOPLE:
        raise ValueError(f"nothing is known of {town}")
    return f"{town}: {PEOPLE[town]} thousand people"


if __name__ == "__main__":
    server.run("stdio")
