"""From a written value back to what it means: the program that the model learns to be.

It reads a value that stands alone, and knows nothing of the sentences around it. Tests hold it against `writing`.
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal

from examples.normalizer import numerals
from examples.normalizer.values import SCALES, Amount, Date, Measure, Value
from examples.normalizer.writing import MONTHS, NAMES, NAMES_ZH, SHORT_SCALES, SIGNS, UNITS, UNITS_ZH, WEEKDAYS

_HAN = "零〇一二两三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟"
_HAN_DAY = "零〇一二三四五六七八九十"
_MONTHS = {name[:length].lower(): number for number, name in enumerate(MONTHS, 1) for length in (3, len(name))}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_ORDINALS = {numerals.ordinal(day): day for day in range(1, 32)}
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?|(?P<word>[a-z]+(?:-[a-z]+)?)"

_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})",
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
        r"(?P<year>\d{4})-(?P<month>\d\d)",
        r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})",
        r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})",
        rf"(?P<name>{_MONTH})\.? (?:the )?(?:{_DAY}),? (?P<year>\d{{4}})",
        rf"(?:the )?(?:{_DAY})[ -](?:of )?(?P<name>{_MONTH})[ ,-] ?(?P<year>\d{{4}})",
        rf"(?P<name>{_MONTH}),? (?P<year>\d{{4}})",
        r"(?P<year>\d{4}) ?年 ?(?P<month>\d{1,2}) ?月(?: ?(?P<day>\d{1,2}) ?[日号])?(?:(?:星期|周).)?",
        rf"(?P<year>[{_HAN_DAY}]{{4}})年(?P<month>[{_HAN_DAY}]+)月(?:(?P<day>[{_HAN_DAY}]+)[日号])?",
    )
)
_WEEKDAY = re.compile(rf"(?:{'|'.join(WEEKDAYS).lower()}),? ")

_CURRENCIES: dict[str, str] = {
    **{code.lower(): code for code in NAMES},
    **{name.lower(): code for code, names in NAMES.items() for pair in names for name in pair},
    **{sign.lower(): code for code, sign in SIGNS.items()},
    **{name: code for code, names in NAMES_ZH.items() for name in names},
    "人民币": "CNY",
    "￥": "CNY",
    "us$": "USD",
}
_UNITS: dict[str, str] = {
    **{unit.lower(): unit for unit in UNITS},
    **{name: unit for unit, names in UNITS.items() for pair in names for name in pair},
    **{name: unit for unit, names in UNITS_ZH.items() for name in names},
}
_COINS = re.compile(
    rf"(?:人民币)?(?P<yuan>[\d{_HAN}]+)元(?:零|(?P<jiao>[\d{_HAN}])角)?(?:(?P<fen>[\d{_HAN}])分)?整?", re.UNICODE
)
_CENTS = re.compile(r"(?P<whole>.+) (?P<name>dollars?|euros?) and (?P<cents>.+) cents?")
_DIGITS = re.compile(r"(?P<digits>\d[\d,]*(?:\.\d+)?)(?P<scale>k|m|b| thousand| million| billion|万|亿)?")


def _longest_first(words: dict[str, str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_NAMED = re.compile(
    rf"(?P<before>{_longest_first(_CURRENCIES)})?\s*(?P<number>.+?)\s*(?P<after>{_longest_first(_CURRENCIES)})?"
)
_WITH_UNIT = re.compile(rf"(?P<number>.+?)\s*(?P<unit>{_longest_first(_UNITS)})")


def read(text: str) -> Value:
    """The value that `text` is. Raises ValueError when it is none in a form that `writing` knows."""
    lowered = text.strip().lower()
    readers: tuple[Callable[[str], Value | None], ...] = (_date, _cheque, _cents, _amount, _measure)
    for reader in readers:
        value = reader(lowered)
        if value is not None:
            return value
    raise ValueError(f"{text!r} is no date, amount or measure")


def _date(text: str) -> Date | None:
    text = _WEEKDAY.sub("", text)
    for pattern in _DATES:
        found = pattern.fullmatch(text)
        if found:
            parts = found.groupdict()
            named, day, word = parts.get("name"), parts.get("day"), parts.get("word")
            month = _MONTHS[named] if named else _number_of_date(parts["month"])
            if word and word not in _ORDINALS:
                continue
            number = _ORDINALS[word] if word else _number_of_date(day) if day else None
            return Date(_number_of_date(parts["year"]), month, number)
    return None


def _number_of_date(text: str) -> int:
    if text.isascii():
        return int(text)
    return numerals.read_digits(text) if len(text) == 4 else numerals.read_chinese(text)


def _number(text: str) -> Decimal:
    found = _DIGITS.fullmatch(text)
    if found:
        scales = {**SHORT_SCALES, **numerals.SCALES, **numerals.MYRIADS}
        by_name = {name.lower(): scale for name, scale in scales.items()}
        return Decimal(found["digits"].replace(",", "")) * by_name.get((found["scale"] or "").strip(), 1)
    if text.isascii():
        return Decimal(numerals.read_english(text))
    whole, point, fraction = text.partition("点")
    tail = re.match(r"[零一二三四五六七八九]*", fraction)
    digits = tail[0] if tail else ""
    number = Decimal(numerals.read_chinese(whole))
    if point:
        number += Decimal(numerals.read_digits(digits)) / 10 ** len(digits)
    for unit in fraction[len(digits) :]:
        number *= numerals.MYRIADS[unit]
    return number


def _cheque(text: str) -> Amount | None:
    found = _COINS.fullmatch(text)
    if not found:
        return None
    yuan, jiao, fen = (_number(found[name] or "零") for name in ("yuan", "jiao", "fen"))
    return Amount(yuan + jiao / 10 + fen / 100, "CNY")


def _cents(text: str) -> Amount | None:
    found = _CENTS.fullmatch(text)
    if not found:
        return None
    return Amount(_number(found["whole"]) + _number(found["cents"]) / 100, _CURRENCIES[found["name"]])


def _amount(text: str) -> Amount | None:
    found = _NAMED.fullmatch(text)
    name = found and (found["after"] or found["before"])
    return Amount(_number(found["number"]), _CURRENCIES[name]) if found and name else None


def _measure(text: str) -> Measure | None:
    found = _WITH_UNIT.fullmatch(text)
    if not found:
        return None
    for unit, scale in _scales(_UNITS[found["unit"]]):
        return Measure(_number(found["number"]) * scale, unit)
    return None


def _scales(written: str) -> Iterator[tuple[str, Decimal]]:
    yield from ((unit, scales[written]) for unit, scales in SCALES.items() if written in scales)
