"""Whole numbers in words, English and Chinese, written and read."""

import re
from itertools import groupby

_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen "
    "twenty thirty forty fifty sixty seventy eighty ninety"
)
ONES, TENS = _WORDS.split()[:20], _WORDS.split()[20:]
SCALES = {"billion": 10**9, "million": 10**6, "thousand": 10**3}
IRREGULAR = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
IRREGULAR["twelve"] = "twelfth"

DIGITS = "零一二三四五六七八九"
FINANCIAL = str.maketrans("零一二三四五六七八九十百千", "零壹贰叁肆伍陆柒捌玖拾佰仟")
PLAIN = str.maketrans("零壹贰叁肆伍陆柒捌玖拾佰仟〇两", "零一二三四五六七八九十百千零二")
PLACES = {"十": 10, "百": 100, "千": 1000}
MYRIADS = {"万": 10**4, "亿": 10**8}

_ENGLISH = {word: number for number, word in enumerate(ONES)} | {word: 20 + 10 * i for i, word in enumerate(TENS)}


def english(number: int, *, british: bool = False) -> str:
    """0 <= number < 10**12 in words; `british` puts "and" before what follows a hundred."""
    for name, scale in SCALES.items():
        if number >= scale:
            rest = f" {english(number % scale, british=british)}" if number % scale else ""
            return f"{english(number // scale, british=british)} {name}{rest}"
    if number >= 100:
        joint = " and " if british else " "
        rest = joint + english(number % 100) if number % 100 else ""
        return f"{ONES[number // 100]} hundred{rest}"
    if number >= 20:
        return TENS[number // 10 - 2] + (f"-{ONES[number % 10]}" if number % 10 else "")
    return ONES[number]


def read_english(words: str) -> int:
    """The number that `english` wrote, in either way. Raises ValueError for another word."""
    total = section = 0
    for word in re.split(r"[\s-]+", words.strip()):
        if word in SCALES:
            total, section = total + section * SCALES[word], 0
        elif word == "hundred":
            section *= 100
        elif word in _ENGLISH:
            section += _ENGLISH[word]
        elif word != "and":
            raise ValueError(f"{word!r} is no part of a number")
    return total + section


def ordinal(number: int) -> str:
    """1 <= number <= 99 as "first", "twenty-second"."""
    stem, dash, last = english(number).rpartition("-")
    if last in IRREGULAR:
        return stem + dash + IRREGULAR[last]
    return stem + dash + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def suffixed(number: int) -> str:
    """A number with its ordinal ending: 1st, 22nd, 13th."""
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def chinese(number: int, *, liang: bool = True) -> str:
    """0 <= number < 10**12 in Chinese: 10 is 十, and a gap between digits is one 零.

    With `liang` a 2 before 千, 万 or 亿 is 两 where one says so: 两千, 一万两千, but 十二万.
    """
    if number == 0:
        return DIGITS[0]
    text = _sections(number)
    if text.startswith("一十"):
        text = text[1:]
    return re.sub(r"(?<![十百千])二(?=[万亿])|二(?=千)", "两", text) if liang else text


def financial(number: int) -> str:
    """The same in the characters of cheques and contracts: 壹万贰仟, 10 is 壹拾."""
    return _sections(number).translate(FINANCIAL) if number else DIGITS[0]


def read_chinese(text: str) -> int:
    """The number that `chinese` or `financial` wrote. Raises ValueError for another character."""
    total = section = digit = 0
    for character in text.translate(PLAIN):
        if character in DIGITS:
            digit = DIGITS.index(character)
        elif character in PLACES:
            section, digit = section + (digit or 1) * PLACES[character], 0
        elif character in MYRIADS:
            total, section, digit = total + (section + digit) * MYRIADS[character], 0, 0
        else:
            raise ValueError(f"{character!r} is no part of a number")
    return total + section + digit


def digit_by_digit(number: int, zero: str = "〇") -> str:
    """As years are read: 2024 is 二〇二四."""
    return "".join(DIGITS[int(digit)] for digit in str(number)).replace("零", zero)


def read_digits(text: str) -> int:
    """The number that `digit_by_digit` wrote. Raises ValueError for another character."""
    return int("".join(str(DIGITS.index(character)) for character in text.translate(PLAIN)))


def _sections(number: int) -> str:
    """Four digits at a time, each section with its unit; 零 where digits are skipped before the next one."""
    parts: list[str] = []
    for unit, scale in (("亿", 10**8), ("万", 10**4), ("", 1)):
        section = number // scale % 10**4
        if section:
            gap = "零" if parts and section < 1000 else ""
            parts.append(gap + _below_ten_thousand(section) + unit)
        elif parts and number % scale:
            parts.append("零")
    # A skipped section and a gap before the next one are one 零.
    return "".join("零" if is_zero else "".join(run) for is_zero, run in groupby("".join(parts), "零".__eq__))


def _below_ten_thousand(number: int) -> str:
    text = "".join(
        DIGITS[number // place % 10] + (unit if number // place % 10 else "")
        for unit, place in (("千", 1000), ("百", 100), ("十", 10), ("", 1))
    )
    return re.sub("零+", "零", text).strip("零")
