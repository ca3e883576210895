"""A Dify as one encrypted, verified file: taken, looked at, restored."""
