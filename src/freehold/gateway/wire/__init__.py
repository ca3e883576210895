"""HTTP/1.1 to other servers: connections of our own, those that are kept, and how they fail."""
