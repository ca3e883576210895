"""Tools: what clients offer, the forms in which models call them, and how calls are read from and forced on a model."""
