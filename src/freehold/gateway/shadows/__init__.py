"""Requests that a second model answers too, for comparison."""
