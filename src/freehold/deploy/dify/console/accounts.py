"""Who signs in to the console."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Account:
    """A person's account: an administrator or the owner of the workspace. `workspace` None: the one it is in."""

    email: str
    password: str = field(repr=False)
    workspace: str | None = None


@dataclass(frozen=True)
class AdminKey:
    """Dify's ADMIN_API_KEY: acts as the owner of `workspace`, an id, without a session."""

    key: str = field(repr=False)
    workspace: str | None


Credentials = Account | AdminKey
