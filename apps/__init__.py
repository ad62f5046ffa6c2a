"""How somebody's own app reaches models through a run: clients, a chat model, an endpoint on this machine."""
