"""Starts the tritonserver that nvidia-pytriton ships, with its python backend and a model repository.

python start.py REPOSITORY PORT GRPC_PORT BACKENDS. BACKENDS is a folder to lay the backend in: pytriton ships one stub
for each version of Python, and the server looks for it beside the backend's library.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import pytriton

repository, port, grpc_port, backends = sys.argv[1:]
package = Path(pytriton.__file__).parent
server = package / "tritonserver"
python = Path(backends) / "python"
if not python.is_dir():
    aside = python.with_name(f"python.{os.getpid()}")
    shutil.copytree(server / "backends" / "python", aside)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(server / "python_backend_stubs" / version / "triton_python_backend_stub", aside)
    aside.rename(python)

libraries = [str(package.parent / "nvidia_pytriton.libs"), sysconfig.get_config_var("LIBDIR")]
environment = dict(os.environ)
environment["LD_LIBRARY_PATH"] = ":".join([*libraries, environment.get("LD_LIBRARY_PATH", "")]).rstrip(":")
# The stub ignores PYTHONPATH; it finds an environment by the `python3` that comes first.
environment["PATH"] = ":".join([str(Path(sys.prefix) / "bin"), environment["PATH"]])
arguments = [
    f"--model-repository={repository}",
    f"--backend-directory={backends}",
    "--http-address=127.0.0.1",
    f"--http-port={port}",
    "--grpc-address=127.0.0.1",
    f"--grpc-port={grpc_port}",
    "--allow-metrics=false",
]
program = server / "bin" / "tritonserver"
os.execve(program, [str(program), *arguments], environment)
