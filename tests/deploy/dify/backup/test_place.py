"""What a place says of an installation."""

from freehold.deploy.dify.backup.place import Installed


def test_secrets_show_in_no_text() -> None:
    """Neither files of settings nor the values that data depends on."""
    text = repr(Installed("1.15.0", (), (), {".env": b"DB_PASSWORD=hush"}, {"SECRET_KEY": "hush"}))
    assert "hush" not in text
