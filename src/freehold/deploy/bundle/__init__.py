"""All that a closed network needs of the open one, in one folder: images, plugins, wheels, artifacts."""
