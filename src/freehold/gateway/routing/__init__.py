"""From a request to a model: the name it asks for, the route of that name, and who of its models answers."""
