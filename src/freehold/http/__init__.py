"""ASGI plumbing: requests and answers, errors as HTTP, access, admission, listening."""

from freehold.access import Right
from freehold.http.admission import Admission, Permit
from freehold.http.alarm import Alarm
from freehold.http.app import App
from freehold.http.bounds import CROWD, Bounds
from freehold.http.call import BodyLimits, Call, ClientLeft, Dialect, Response, Route, Stream
from freehold.http.door import Door, choose_door
from freehold.http.entrance import Entrance
from freehold.http.listener import Address, Listener, bind, serve
from freehold.http.memory import MemoryBudget

__all__ = [
    "CROWD",
    "Address",
    "Admission",
    "Alarm",
    "App",
    "BodyLimits",
    "Bounds",
    "Call",
    "ClientLeft",
    "Dialect",
    "Door",
    "Entrance",
    "Listener",
    "MemoryBudget",
    "Permit",
    "Response",
    "Right",
    "Route",
    "Stream",
    "bind",
    "choose_door",
    "serve",
]
