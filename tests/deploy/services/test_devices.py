"""Cards of one machine."""

from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config import Gpus
from freehold.deploy.services.devices import Devices


def test_services_get_cards_of_their_own() -> None:
    """The lowest numbers first, in the order of the models."""
    devices = Devices()
    assert devices.take(Gpus(1)) == ("0",)
    assert devices.take(Gpus(2)) == ("1", "2")
    assert devices.take(None) == ()
    assert devices.take(Gpus(1, "huawei.com/Ascend910")) == ()
    assert devices.take(Gpus(1)) == ("3",)


def test_services_that_say_their_share_share_a_card() -> None:
    """As long as it is not more than the whole; what says nothing has a card alone."""
    devices = Devices()
    assert devices.take(Gpus(1), 0.3) == ("0",)
    assert devices.take(Gpus(1)) == ("1",)
    assert devices.take(Gpus(1), 0.6) == ("0",)
    assert devices.take(Gpus(1), 0.2) == ("2",)
    assert devices.take(Gpus(1), 0.1) == ("0",)
    assert devices.take(Gpus(2), 0.8) == ("2", "3")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 4), st.none() | st.floats(0.01, 1.0)), max_size=12))
def test_no_card_is_promised_twice(wishes: list[tuple[int, float | None]]) -> None:
    """Each service gets as many as it asked for, all different, and no card gives more than it has."""
    devices, taken = Devices(), dict[str, float]()
    for count, share in wishes:
        cards = devices.take(Gpus(count), share)
        assert len(set(cards)) == count
        for card in cards:
            taken[card] = taken.get(card, 0.0) + (share or 1.0)
    assert all(share <= 1.0 + 1e-6 for share in taken.values())
