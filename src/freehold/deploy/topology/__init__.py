"""A Dify beside the models: every service of one release, before anything is said of Compose or Kubernetes."""
