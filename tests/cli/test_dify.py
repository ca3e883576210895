"""`freehold dify`: one group, whose verbs each say what they are for."""

from collections.abc import Callable
from typing import Any

import typer.main

from freehold.cli.dify import app

Freehold = Callable[..., Any]


def test_every_verb_is_listed_with_its_line(freehold: Freehold) -> None:
    """The help of the group names all of them, and each has words of its own."""
    group: Any = typer.main.get_command(app)
    ran = freehold("dify", "--help")
    assert {"check", "connect", "backup", "restore"} <= set(group.commands)
    for name, command in group.commands.items():
        assert f"\n  {name} " in ran.out
        assert command.help
