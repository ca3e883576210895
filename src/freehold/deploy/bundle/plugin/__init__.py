"""A plugin package of Dify (.difypkg): read, filled with its wheels, signed by a key of the user's own, checked.

What a package must be was read from the source of Dify's plugin daemon; docs/decisions/dify-plugins.md says what of it.
"""
