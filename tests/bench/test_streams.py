"""What is made of the moments at which tokens arrived."""

import pytest

from bench.streams import Stream, first_s, gaps_s, steady_rate


def stream(*frames_s: float, sent_s: float = 0.0) -> Stream:
    return Stream(sent_s, 200, list(frames_s))


def test_the_rate_counts_only_while_all_streams_are_under_way() -> None:
    """From the last first token (2 s) to the first end (4 s): four tokens of one and two of the other in 2 s."""
    fast, slow = stream(1.0, 2.5, 3.0, 3.5, 4.0), stream(2.0, 3.0, 4.0, 5.0)
    assert steady_rate([fast, slow]) == pytest.approx(6 / 2)


def test_streams_that_never_meet_have_no_rate() -> None:
    """One that ends before the other begins is an error, not a number."""
    with pytest.raises(ValueError, match="never all under way"):
        steady_rate([stream(1.0, 2.0), stream(3.0, 4.0)])


def test_the_first_token_counts_from_sending() -> None:
    """A request that was sent late is not blamed for it."""
    assert first_s(stream(3.5, 4.0, sent_s=3.0)) == pytest.approx(0.5)


def test_gaps_lie_between_tokens_of_the_window() -> None:
    """Tokens outside the window open no gap."""
    assert gaps_s(stream(0.0, 1.0, 1.5, 3.0, 9.0), 0.5, 4.0) == pytest.approx([0.5, 1.5])
