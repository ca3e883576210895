"""Numbers in words are read back as they were written, and look as people write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.normalizer import numerals

NUMBERS = st.integers(0, 10**12 - 1) | st.builds(
    lambda digits, power: digits * 10**power, st.integers(0, 9999), st.integers(0, 8)
)


@settings(max_examples=300)
@given(NUMBERS)
def test_a_number_in_words_is_read_back(number: int) -> None:
    """English in both ways, Chinese with and without 两, and the characters of cheques."""
    assert numerals.read_english(numerals.english(number)) == number
    assert numerals.read_english(numerals.english(number, british=True)) == number
    assert numerals.read_chinese(numerals.chinese(number)) == number
    assert numerals.read_chinese(numerals.chinese(number, liang=False)) == number
    assert numerals.read_chinese(numerals.financial(number)) == number


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "零"),
        (10, "十"),
        (12, "十二"),
        (110, "一百一十"),
        (2000, "两千"),
        (2200, "两千二百"),
        (12_000, "一万两千"),
        (20_000, "两万"),
        (120_000, "十二万"),
        (100_010, "十万零一十"),
        (10_010_001, "一千零一万零一"),
        (100_000_005, "一亿零五"),
        (220_000_000, "两亿两千万"),
    ],
)
def test_chinese_is_written_as_people_write_it(number: int, written: str) -> None:
    """One 零 for a gap, none at the end, 两 where one says it."""
    assert numerals.chinese(number) == written


def test_cheques_keep_the_first_one() -> None:
    """A cheque says 壹拾 where speech says 十, and never 两."""
    assert numerals.financial(10) == "壹拾"
    assert numerals.financial(220_030) == "贰拾贰万零叁拾"


def test_english_is_written_as_people_write_it() -> None:
    """Hyphens within tens, "and" only in the British way."""
    assert numerals.english(3_500_021) == "three million five hundred thousand twenty-one"
    assert numerals.english(105, british=True) == "one hundred and five"


def test_ordinals_have_their_endings() -> None:
    """In words and in figures; the teens are all th."""
    words = [
        "first",
        "second",
        "third",
        "fifth",
        "eighth",
        "ninth",
        "twelfth",
        "twentieth",
        "twenty-first",
        "thirtieth",
    ]
    assert [numerals.ordinal(n) for n in (1, 2, 3, 5, 8, 9, 12, 20, 21, 30)] == words
    written = "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 31st"
    assert [numerals.suffixed(int(each[:-2])) for each in written.split(" ")] == written.split(" ")


def test_a_year_is_read_digit_by_digit() -> None:
    """With either zero."""
    assert numerals.digit_by_digit(2024) == "二〇二四"
    assert numerals.read_digits("二〇二四") == numerals.read_digits("二零二四") == 2024


@pytest.mark.parametrize(("reader", "text"), [(numerals.read_english, "umpteen"), (numerals.read_chinese, "三x")])
def test_what_is_no_number_is_refused(reader: object, text: str) -> None:
    """A ValueError that names the word."""
    assert callable(reader)
    with pytest.raises(ValueError, match="no part of a number"):
        reader(text)
