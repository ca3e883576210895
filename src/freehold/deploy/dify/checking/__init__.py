"""`freehold dify check`: the calls of Dify's plugin against any server, and what Dify would make of the answers."""
