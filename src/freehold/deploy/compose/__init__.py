"""A deployment on one machine with Docker: the files that Compose runs, and what a rollout does with its containers."""
