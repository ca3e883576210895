"""Models of a configuration put into a Dify: what each becomes there, what differs, and how it gets there."""
