"""Who signs in to the console."""

from freehold.deploy.dify.console.accounts import Account, AdminKey


def test_credentials_are_not_shown() -> None:
    """Neither in the text of an account nor of a key."""
    assert "hush" not in repr(Account("a@example.com", "hush"))
    assert "hush" not in repr(AdminKey("hush", "w"))


def test_an_account_works_in_the_workspace_that_it_is_in() -> None:
    """Unless one is named."""
    assert Account("a@example.com", "hush").workspace is None
