"""Chat completions as a server speaks them: requests read, replies written."""
