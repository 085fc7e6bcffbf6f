"""The socket: what is checked before a request reaches the responder."""
