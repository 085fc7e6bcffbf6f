"""The metrics page: what the server measured of itself, and what it simulates."""
