"""Freehold beside its peers: the same weights, the same requests, one run, one table.

`python -m bench` builds the models and the peers' environments, measures in interleaved rounds and writes
docs/performance.md. Nothing here is part of the product.
"""
