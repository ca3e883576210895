"""A configuration becomes services: what each runs, mounts and is told, and the gateway in front of them."""
