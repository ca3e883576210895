"""The topics of checks."""

from freehold.deploy.dify.official import topics
from freehold.deploy.doctor.check import Topic


def test_every_topic_says_why_and_how_in_both_languages() -> None:
    """Ids are distinct, and no text is left empty."""
    found = [one for one in vars(topics).values() if isinstance(one, Topic)]
    assert len({one.id for one in found}) == len(found) == 15
    assert all(text.en and text.zh for one in found for text in (one.why, one.fix))
