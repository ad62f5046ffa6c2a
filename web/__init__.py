"""What all HTTP servers of this package share: refusals in OpenAI's shape, streams of events, hosts, deadlines."""
