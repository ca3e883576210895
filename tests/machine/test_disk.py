"""Room on disk."""

from pathlib import Path

from freehold.machine.disk import free_bytes


def test_a_folder_that_is_not_there_yet_has_the_room_of_its_parent(tmp_path: Path) -> None:
    """A cache is asked about before it is made; others write meanwhile, so the figures may differ a little."""
    assert free_bytes(tmp_path / "not" / "yet") > 0
    assert abs(free_bytes(tmp_path / "not" / "yet") - free_bytes(tmp_path)) < 1 << 30
