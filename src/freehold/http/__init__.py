"""ASGI plumbing: requests and answers, errors as HTTP, access, admission, listening."""

from freehold.http.app import App
from freehold.http.call import BodyLimits, Call, ClientLeft, Dialect, Response, Route
from freehold.http.memory import MemoryBudget

__all__ = ["App", "BodyLimits", "Call", "ClientLeft", "Dialect", "MemoryBudget", "Response", "Route"]
