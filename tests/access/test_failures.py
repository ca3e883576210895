"""What a database that cannot be used now raises."""

import pytest

from freehold.access.failures import DatabaseError
from freehold.errors import FreeholdError


def test_it_is_an_error_of_ours_and_of_the_system() -> None:
    """Whoever goes on without a database catches OSError; a person is told cause, fix and code."""
    failure = DatabaseError("database_locked", "/home/access.db", "database is locked")
    assert isinstance(failure, OSError)
    assert isinstance(failure, FreeholdError)
    assert failure.code == "database_locked"
    assert str(failure) == failure.cause
    assert "/home/access.db" in failure.cause


def test_a_code_that_there_is_not_is_a_defect() -> None:
    """Where it is raised."""
    with pytest.raises(KeyError):
        DatabaseError("database_lost", "here", "why")
