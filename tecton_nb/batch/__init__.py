"""Tables of requests: rows become calls, answers become one typed table."""
