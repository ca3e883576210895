"""Dify's own Compose installation, as its project publishes it: read, judged, and patched beside its files.

It stays whose it is: nothing of it is changed but by one override file, which Compose reads by itself.
"""
