"""Two answers to one request beside each other."""
