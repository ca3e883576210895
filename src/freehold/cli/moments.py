"""Moments as people type them: so long ago, a day, or a moment of ISO 8601."""

import re
import time
from datetime import UTC, datetime

from freehold.errors import FreeholdError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def moment(option: str, text: str) -> float:
    """Seconds since 1970, never before. `7d` is so long ago; `2026-11-23T09:00` without a zone is UTC.

    Raises `audit_option_invalid`, which names `option`.
    """
    ago = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if ago is not None:
        return max(0.0, time.time() - int(ago[1]) * _SECONDS[ago[2]])
    try:
        read = datetime.fromisoformat(text)
        return max(0.0, (read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        example = "7d, 12h, 30m, 2026-11-23 or 2026-11-23T09:00Z"
        raise FreeholdError("audit_option_invalid", option=option, value=text[:100], example=example) from None
