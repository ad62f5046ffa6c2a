"""MCP servers as child processes: started, talked to, shared by runs, and ended with this process."""
