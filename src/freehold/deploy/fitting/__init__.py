"""What a model needs, counted from its files before anything is started, and whether a machine has it."""
