"""How a person writes the secrets that a deployment reads, which no rendering has in it."""

import re
from shlex import quote

from freehold.deploy.services.units import SecretFile


def command_for(secret: SecretFile) -> str:
    """A command of the shell that prints the secret: it says where that is from, or makes one."""
    reference = re.fullmatch(r"\$\{(env|file):(.*)\}", secret.origin)
    if reference is None:
        return "openssl rand -hex 32"
    return f'printf %s "${reference[2]}"' if reference[1] == "env" else f"cat {quote(reference[2])}"
