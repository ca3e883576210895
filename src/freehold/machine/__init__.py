"""What this machine has: processor, memory, GPUs, disk, installed runtimes, and the way in for a container."""

from freehold.machine.cpu import Cpu, cpu_key, read_cpu
from freehold.machine.disk import free_bytes
from freehold.machine.gpu import Gpu, read_gpus
from freehold.machine.memory import Memory, read_memory
from freehold.machine.network import Bridge, docker_bridge
from freehold.machine.packages import check_onnxruntime, runtime_versions

__all__ = [
    "Bridge",
    "Cpu",
    "Gpu",
    "Memory",
    "check_onnxruntime",
    "cpu_key",
    "docker_bridge",
    "free_bytes",
    "read_cpu",
    "read_gpus",
    "read_memory",
    "runtime_versions",
]
