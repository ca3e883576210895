"""The way in for a container."""

import shutil
import subprocess
import sys

from freehold.machine.network import bridges_of, docker_bridge, interface_address

# In a network namespace of its own: two interfaces named as Docker names them, one of them without an address.
SCRIPT = """
set -e
ip link add docker0 type veth peer name peer0
ip link add br-0a1b2c type veth peer name peer1
ip address add 172.18.0.1/16 dev br-0a1b2c
{python} -c 'from freehold.machine import docker_bridge; print(docker_bridge())'
ip address add 172.17.0.1/16 dev docker0
{python} -c 'from freehold.machine import docker_bridge; print(docker_bridge())'
"""


def test_docker0_comes_before_the_networks_of_compose() -> None:
    """Containers of any network reach docker0's address; other bridges are nobody's business."""
    assert bridges_of(["lo", "br-9f", "eth0", "docker0", "br-1a", "bridge0", "virbr0"]) == ["docker0", "br-1a", "br-9f"]
    assert bridges_of(["lo", "eth0"]) == []


def test_loopback_has_its_address_and_an_unknown_interface_none() -> None:
    """The kernel answers for names that exist."""
    assert interface_address("lo") == "127.0.0.1"
    assert interface_address("no-such-one") is None


def test_the_first_bridge_with_an_address_is_taken() -> None:
    """An interface that has lost its address is passed over."""
    unshare, shell = shutil.which("unshare"), shutil.which("sh")
    assert unshare is not None
    assert shell is not None
    command = [unshare, "--map-root-user", "--net", shell, "-c", SCRIPT.format(python=sys.executable)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    without, with_address = done.stdout.splitlines()
    assert "br-0a1b2c" in without
    assert "172.18.0.1" in without
    assert "docker0" in with_address
    assert "172.17.0.1" in with_address


def test_a_machine_without_docker_has_no_bridge_or_one_with_an_address() -> None:
    """Whatever this machine has, the answer is whole."""
    bridge = docker_bridge()
    assert bridge is None or bridge.address.count(".") == 3
