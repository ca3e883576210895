"""A Dify on a cluster: the services of its topology as objects in the namespace of the models."""
