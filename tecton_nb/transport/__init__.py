"""The only place that talks to a feature server: address, key, engine, calls and policy."""
