"""Every way in which a value is written is read back as that value, and no two values share a text."""

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.normalizer.reading import read
from examples.normalizer.values import CURRENCIES, KINDS, Amount, Date, Measure, Value, draw
from examples.normalizer.writing import financial_amount, forms

SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150)
@given(seed=SEEDS)
def test_each_form_is_read_back(kind: str, language: str, seed: int) -> None:
    """Written and read are inverse, whatever the case of the letters."""
    value = draw(random.Random(seed), kind)
    written = forms(value, language)
    assert written
    for form in written:
        assert read(form) == read(form.lower()) == value, form


@settings(max_examples=150)
@given(cents=st.integers(1, 10**12 - 1), currency=st.sampled_from(CURRENCIES))
def test_any_amount_is_read_back(cents: int, currency: str) -> None:
    """Not only those that the generator draws."""
    amount = Amount(Decimal(cents) / 100, currency)
    assert {read(form) for language in ("en", "zh") for form in forms(amount, language)} == {amount}


def test_no_text_means_two_values() -> None:
    """A question has one right answer."""
    dice, meaning = random.Random(3), dict[str, Value]()
    for _ in range(3000):
        value = draw(dice)
        for form in (*forms(value, "en"), *forms(value, "zh")):
            assert meaning.setdefault(form.lower(), value) == value, form


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("March 3rd, 2024", "2024-03-03"),
        ("the third of March 2024", "2024-03-03"),
        ("Sunday, March 3, 2024", "2024-03-03"),
        ("12/31/2024", "2024-12-31"),
        ("31.12.2024", "2024-12-31"),
        ("March 2024", "2024-03"),
        ("二〇二四年三月三日", "2024-03-03"),
        ("2024年3月3号", "2024-03-03"),
        ("3.5 million dollars", "USD 3500000.00"),
        ("$3.5M", "USD 3500000.00"),
        ("twelve euros and fifty cents", "EUR 12.50"),
        ("三千五百元", "CNY 3500.00"),
        ("人民币叁仟伍佰元整", "CNY 3500.00"),
        ("三元五角二分", "CNY 3.52"),
        ("1.2亿日元", "JPY 120000000.00"),
        ("1.2 km", "1200 m"),
        ("350 grams", "0.35 kg"),
        ("两公里", "2000 m"),
        ("零点五升", "0.5 L"),
    ],
)
def test_known_examples(text: str, normal: str) -> None:
    """What the README shows."""
    assert read(text).normal == normal


@pytest.mark.parametrize("text", ["", "soon", "3 apples", "2024", "the umpteenth of March 2024"])
def test_what_is_no_value_is_refused(text: str) -> None:
    """A ValueError."""
    with pytest.raises(ValueError, match=r"is no "):
        read(text)


def test_normal_forms() -> None:
    """ISO 8601, two decimals for money, no idle zeros in measures."""
    assert Date(2024, 3, None).normal == "2024-03"
    assert Amount(Decimal("3E+6"), "USD").normal == "USD 3000000.00"
    assert Measure(Decimal("1.20E+3"), "m").normal == "1200 m"
    assert Measure(Decimal("0.350"), "kg").normal == "0.35 kg"


def test_cheques() -> None:
    """A gap before 分 is 零, and a sum without 分 ends in 整."""
    assert financial_amount(Decimal("10.05")) == "壹拾元零伍分"
    assert financial_amount(Decimal("3500.5")) == "叁仟伍佰元伍角整"
