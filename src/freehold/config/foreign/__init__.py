"""Model repositories that were written for other servers, read as they are: Triton's folders, MLServer's settings."""
