"""The messages of our gRPC services, made from `descriptors.binpb` in a pool of their own.

The default pool is the whole process's, and holds a name once: a client library of the same protocol in it would clash.
"""

from importlib.resources import files
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from freehold.errors import FreeholdError

Message = Any
"""A protobuf message, or a class of such: their fields are known to the descriptors and not to the type checker."""


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString((files(__package__) / "descriptors.binpb").read_bytes()).file:
        pool.Add(file)
    return pool


POOL = _pool()
INFERENCE = POOL.FindServiceByName("inference.GRPCInferenceService")
HEALTH = POOL.FindServiceByName("grpc.health.v1.Health")


def message(name: str) -> Message:
    """The class of a message of the Open Inference Protocol, or of any other by its full name."""
    return GetMessageClass(POOL.FindMessageTypeByName(name if "." in name else f"inference.{name}"))


def decode(kind: Message, data: bytes) -> Message:
    """One message of that class. Raises FreeholdError `message_malformed`."""
    try:
        return kind.FromString(data)
    except DecodeError:
        raise FreeholdError("message_malformed", message=kind.DESCRIPTOR.full_name) from None
