"""How a person writes the secrets that a deployment reads, which no rendering has in it."""

from shlex import quote

from freehold.config.secret import parts
from freehold.deploy.services.units import SecretFile


def command_for(secret: SecretFile) -> str:
    """A command of the shell that prints the secret and nothing else: it says where that is from, or makes one."""
    if not secret.origin:
        return 'printf %s "$(openssl rand -hex 32)"'
    kind, name = parts(secret.origin)
    return f'printf %s "${name}"' if kind == "env" else f"cat {quote(name)}"
