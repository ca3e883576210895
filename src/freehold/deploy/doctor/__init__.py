"""What a machine or a cluster has, and whether that is enough: a snapshot of facts, and pure checks of it.

This folder imports nothing but itself and Python's own library, and runs under Python 3.8: `make doctor` packs it into
one file, doctor.pyz, for hosts that have nothing but their distribution's Python.

A module of checks has `CHECKS`: functions (Snapshot, Profile) -> Checks. A module of facts has `READERS`: the name of a
fact and the function that reads it. `taking` and `judging` run all of them.
"""
