"""Freehold: bring your own model, prove it, and serve it on your own machines."""

__version__ = "0.1.0"
