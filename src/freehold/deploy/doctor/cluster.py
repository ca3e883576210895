"""A Kubernetes cluster: facts read by kubectl, and checks of them (FIT)."""

from __future__ import annotations

from freehold.deploy.doctor.profile import Checking
from freehold.deploy.doctor.reading import Reader

READERS: dict[str, Reader] = {}
CHECKS: tuple[Checking, ...] = ()
