"""What a server serves: views and services as plain data, written in Python or in a features.toml."""
