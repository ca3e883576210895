"""What a database that cannot be used now raises, for those who go on without it and those who tell a person."""

from freehold.errors import FreeholdError


class DatabaseError(FreeholdError, OSError):
    """`database_locked`, `database_read_only`, `database_full`, `database_gone`: each may pass by itself.

    It is an OSError, as that of any file which cannot be used now, and has the cause and fix of every error of ours.
    """

    def __init__(self, code: str, place: str, reason: object) -> None:
        super().__init__(code, place=place, reason=reason)

    def __str__(self) -> str:
        return self.cause
