"""Caps, accounts and the ledger: how no token is spent that was not reserved."""
