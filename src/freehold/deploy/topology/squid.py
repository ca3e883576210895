"""The configuration of Squid, by which workflows and the sandbox reach the web, and what is declared of the rest."""

import ipaddress
from collections.abc import Sequence

PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "64:ff9b::/96",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
)
"""What is not the public internet: the special addresses of RFC 6890, in IPv6 those that lead to such, too."""

_TEXT = """\
# Made by Freehold: change `dify.private_hosts` in freehold.yaml.
http_port 3128
pid_filename none
cache deny all
access_log stdio:/dev/stdout
cache_log stdio:/dev/stderr
logfile_rotate 0
coredump_dir /tmp
shutdown_lifetime 1 seconds
forwarded_for delete

acl web port 80 443
acl tls port 443
acl tunnel method CONNECT
acl private dst {private}
{declared}http_access deny private
http_access deny !web
http_access deny tunnel !tls
http_access allow all
"""


def divided(hosts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Domains, and networks or addresses, of what the configuration declares."""
    networks = tuple(host for host in hosts if _is_network(host))
    return tuple(host for host in hosts if host not in networks), networks


def squid_conf(private_hosts: Sequence[str]) -> str:
    """squid.conf: the web by ports 80 and 443; the private hosts that are declared by any port, and no others.

    A domain stands for itself and all below it.
    """
    domains, networks = divided(private_hosts)
    roots = [f".{domain.lstrip('.')}" for domain in domains]
    declared = [
        *([f"acl declared_domains dstdomain {' '.join(roots)}", "http_access allow declared_domains"] if roots else []),
        *(
            [f"acl declared_networks dst {' '.join(networks)}", "http_access allow declared_networks"]
            if networks
            else []
        ),
    ]
    return _TEXT.format(private=" ".join(PRIVATE), declared="".join(f"{line}\n" for line in declared))


def _is_network(host: str) -> bool:
    try:
        ipaddress.ip_network(host, strict=False)
    except ValueError:
        return False
    return True
