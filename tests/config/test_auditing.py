"""What the configuration says of audit and usage."""

from freehold.config import Access
from freehold.config.auditing import Auditing


def test_only_administrative_acts_are_kept_unless_told() -> None:
    """For 180 days, and none is done that could not be written."""
    assert Access().audit == Auditing(inference=False, content=False, when_full="refuse", keep_days=180)
    assert Access().usage.keep_days == 400
