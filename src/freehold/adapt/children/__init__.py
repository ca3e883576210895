"""What runs in a process of its own, beside a raw framework: only the standard library, numpy and that framework.

These modules are run in environments where Freehold's own dependencies need not be installed, and where the code of a
model may be running: nothing that they write is believed before it was checked.
"""
