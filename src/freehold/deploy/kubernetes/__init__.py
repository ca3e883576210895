"""A deployment on a Kubernetes cluster: its objects as plain data, as files for GitOps, and what a rollout does there.

The objects are plain dictionaries, written as they are read in YAML: rendering needs no Kubernetes library. The typed
models of lightkube are used where objects go to a cluster and come from it.
"""
