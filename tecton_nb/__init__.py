"""Tecton feature services in a notebook."""
