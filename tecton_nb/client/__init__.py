"""What a user holds: clients, a feature service in hand, and the answers of single requests."""
