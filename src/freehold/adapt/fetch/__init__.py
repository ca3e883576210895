"""Models from hubs: which files of a repository are needed, which are there already, and how the rest comes here."""
