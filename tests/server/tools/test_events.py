"""Ids of tool calls."""

import re

from freehold.server.tools.events import call_id, short_call_id


def test_ids_have_the_form_that_clients_and_templates_take() -> None:
    """OpenAI's, and Mistral's of nine letters and digits; no two are alike."""
    assert re.fullmatch(r"call_[0-9a-f]{24}", call_id())
    assert re.fullmatch(r"[A-Za-z0-9]{9}", short_call_id())
    assert len({call_id() for _ in range(99)} | {short_call_id() for _ in range(99)}) == 198
