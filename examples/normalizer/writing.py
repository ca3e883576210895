"""The ways in which people write a value. `forms` lists them; `reading.read` reads each of them back."""

import datetime
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain

from examples.normalizer import numerals
from examples.normalizer.values import SCALES, Amount, Date, Measure, Value, decimal

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WEEKDAYS_ZH = "一二三四五六日"

SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "CNY": "¥", "HKD": "HK$"}
NAMES = {
    "USD": (("dollar", "dollars"), ("US dollar", "US dollars")),
    "EUR": (("euro", "euros"),),
    "GBP": (("pound", "pounds"), ("pound sterling", "pounds sterling")),
    "CNY": (("yuan", "yuan"), ("RMB", "RMB")),
    "JPY": (("yen", "yen"), ("Japanese yen", "Japanese yen")),
    "HKD": (("Hong Kong dollar", "Hong Kong dollars"),),
}
NAMES_ZH = {
    "USD": ("美元", "美金"),
    "EUR": ("欧元",),
    "GBP": ("英镑",),
    "CNY": ("元", "块", "块钱", "元人民币"),
    "JPY": ("日元",),
    "HKD": ("港元", "港币"),
}
UNITS = {
    "km": (("kilometer", "kilometers"), ("kilometre", "kilometres")),
    "m": (("meter", "meters"), ("metre", "metres")),
    "cm": (("centimeter", "centimeters"), ("centimetre", "centimetres")),
    "mm": (("millimeter", "millimeters"), ("millimetre", "millimetres")),
    "t": (("tonne", "tonnes"), ("metric ton", "metric tons")),
    "kg": (("kilogram", "kilograms"), ("kilo", "kilos")),
    "g": (("gram", "grams"),),
    "mg": (("milligram", "milligrams"),),
    "L": (("liter", "liters"), ("litre", "litres")),
    "mL": (("milliliter", "milliliters"), ("millilitre", "millilitres")),
}
UNITS_ZH = {
    "km": ("公里", "千米"),
    "m": ("米",),
    "cm": ("厘米",),
    "mm": ("毫米",),
    "t": ("吨",),
    "kg": ("公斤", "千克"),
    "g": ("克",),
    "mg": ("毫克",),
    "L": ("升",),
    "mL": ("毫升",),
}
SHORT_SCALES = {"k": 10**3, "M": 10**6, "B": 10**9}
MOST_DIGITS_IN_WORDS = 4


def forms(value: Value, language: str) -> list[str]:
    """Every way to write `value` in `language` ("en" or "zh") that this example knows; at least one."""
    match value:
        case Date():
            written = _dates(value) if language == "en" else _dates_zh(value)
        case Amount():
            written = _amounts(value) if language == "en" else _amounts_zh(value)
        case Measure():
            written = _measures(value) if language == "en" else _measures_zh(value)
    return list(dict.fromkeys(written))


def _dates(date: Date) -> Iterator[str]:
    year, month, day = date.year, date.month, date.day
    name = MONTHS[month - 1]
    if day is None:
        yield from (f"{name} {year}", f"{name[:3]} {year}", f"{name}, {year}", f"{year}-{month:02}")
        return
    th = numerals.suffixed(day)
    for each in (name, name[:3]):
        yield from (f"{each} {day}, {year}", f"{each} {th}, {year}", f"{day} {each} {year}", f"{each} {day} {year}")
    yield from (f"{th} {name} {year}", f"{th} of {name} {year}", f"the {th} of {name}, {year}")
    yield from (f"{name} the {th}, {year}", f"{day}-{name[:3]}-{year}", f"{name[:3]}. {day}, {year}")
    word = numerals.ordinal(day)
    yield from (f"{name} {word}, {year}", f"the {word} of {name} {year}")
    today = WEEKDAYS[datetime.date(year, month, day).weekday()]
    yield from (f"{today}, {name} {day}, {year}", f"{today} {day} {name} {year}")
    yield from _numeric_dates(year, month, day)
    yield from (f"{month}/{day}/{year}", f"{month:02}/{day:02}/{year}", f"{day}.{month}.{year}")
    yield f"{day:02}.{month:02}.{year}"


def _numeric_dates(year: int, month: int, day: int) -> Iterator[str]:
    for mark in "-/.":
        yield from (f"{year}{mark}{month:02}{mark}{day:02}", f"{year}{mark}{month}{mark}{day}")
    yield f"{year}{month:02}{day:02}"


def _dates_zh(date: Date) -> Iterator[str]:
    year, month, day = date.year, date.month, date.day
    in_words = [f"{numerals.digit_by_digit(year, zero)}年{numerals.chinese(month)}月" for zero in "〇零"]
    if day is None:
        yield from (f"{year}年{month}月", f"{year}年{month:02}月", *in_words, f"{year} 年 {month} 月")
        return
    for end in "日号":
        yield from (f"{year}年{month}月{day}{end}", f"{year}年{month:02}月{day:02}{end}")
        yield from (f"{words}{numerals.chinese(day)}{end}" for words in in_words)
    yield f"{year} 年 {month} 月 {day} 日"
    today = WEEKDAYS_ZH[datetime.date(year, month, day).weekday()]
    yield from (f"{year}年{month}月{day}日星期{today}", f"{year}年{month}月{day}日周{today}")
    yield from _numeric_dates(year, month, day)


def _digits(number: Decimal, *, cents: bool) -> Iterator[str]:
    """In figures; `cents` writes two decimals or none, as money is written."""
    plain = f"{number:.2f}" if cents and number % 1 else decimal(number)
    whole, point, fraction = plain.partition(".")
    grouped = f"{int(whole):,}{point}{fraction}"
    yield from (plain, grouped)
    if cents and not number % 1:
        yield f"{grouped}.00"


def _scaled(number: Decimal, scale: int, most: int) -> str | None:
    """`number` in multiples of `scale`, if that is exact with two decimals, at least 1 and below `most`."""
    multiple = number / scale
    return decimal(multiple) if multiple == round(multiple, 2) and 1 <= multiple < most else None


def _in_words(number: Decimal) -> bool:
    """Whether people would write `number` in words: whole, and few digits of it count."""
    return not number % 1 and len(decimal(number).rstrip("0")) <= MOST_DIGITS_IN_WORDS


def _english_numbers(number: Decimal, *, cents: bool) -> Iterator[str]:
    yield from _digits(number, cents=cents)
    if cents:
        scaled = ((name, _scaled(number, scale, 1000)) for name, scale in numerals.SCALES.items())
        yield from (f"{multiple} {name}" for name, multiple in scaled if multiple)
    if _in_words(number):
        yield from (numerals.english(int(number)), numerals.english(int(number), british=True))


def _chinese_numbers(number: Decimal, *, cents: bool) -> Iterator[str]:
    yield from _digits(number, cents=cents)
    for name, scale in numerals.MYRIADS.items():
        multiple = _scaled(number, scale, 10_000)
        if multiple:
            yield f"{multiple}{name}"
            yield f"{_chinese_decimal(Decimal(multiple))}{name}"
    if _in_words(number):
        yield from (numerals.chinese(int(number)), numerals.chinese(int(number), liang=False))
    elif number % 1 and not cents:
        yield _chinese_decimal(number)


def _chinese_decimal(number: Decimal) -> str:
    """3.05 as 三点零五."""
    whole, _, fraction = decimal(number).partition(".")
    tail = "点" + "".join(numerals.DIGITS[int(digit)] for digit in fraction) if fraction else ""
    return numerals.chinese(int(whole)) + tail if whole != "2" or tail else "两"


def _amounts(amount: Amount) -> Iterator[str]:
    value, currency = amount.value, amount.currency
    sign = SIGNS.get(currency)
    for digits in _digits(value, cents=True):
        yield from (f"{currency} {digits}", f"{digits} {currency}")
        if sign:
            yield f"{sign}{digits}"
        if currency == "USD":
            yield f"US${digits}"
    for short, scale in SHORT_SCALES.items():
        multiple = _scaled(value, scale, 1000)
        if multiple:
            yield f"{sign or currency + ' '}{multiple}{short}"
    for number in _english_numbers(value, cents=True):
        yield from (f"{number} {one if value == 1 else many}" for one, many in NAMES[currency])
        if sign and number.endswith(("million", "billion")) and number[0].isdigit():
            yield f"{sign}{number}"
    cents = int(value * 100) % 100
    if cents and value > 1 and currency in ("USD", "EUR") and _in_words(value // 1):
        one, many = NAMES[currency][0]
        name, part = one if value < 2 else many, "cent" if cents == 1 else "cents"
        yield f"{value // 1} {name} and {cents} {part}"
        yield f"{numerals.english(int(value))} {name} and {numerals.english(cents)} {part}"


def _amounts_zh(amount: Amount) -> Iterator[str]:
    value, currency = amount.value, amount.currency
    for number in _chinese_numbers(value, cents=True):
        yield from (f"{number}{name}" for name in NAMES_ZH[currency])
        if number[0].isascii():
            yield f"{number} {NAMES_ZH[currency][0]}"
    if currency != "CNY":
        return
    for digits in _digits(value, cents=True):
        yield from (f"¥{digits}", f"￥{digits}", f"人民币{digits}元", f"RMB {digits}")
    cents = int(value * 100) % 100
    if cents and value > 1:
        jiao, fen = divmod(cents, 10)
        tail = (f"{jiao}角" if jiao else "") + (f"{fen}分" if fen else "")
        yield f"{value // 1}元{'' if jiao else '零'}{tail}"
        if _in_words(value // 1):
            tail = (numerals.chinese(jiao) + "角" if jiao else "零") + (numerals.chinese(fen) + "分" if fen else "")
            yield from (f"{numerals.chinese(int(value))}元{tail}", f"人民币{numerals.chinese(int(value))}元{tail}")
    if value >= 1 and len(decimal(value).rstrip("0")) <= MOST_DIGITS_IN_WORDS + 3:
        yield from (financial_amount(value), f"人民币{financial_amount(value)}")


def financial_amount(value: Decimal) -> str:
    """As on a cheque: 叁仟伍佰元整, 壹拾元零伍分. `value` >= 1, two decimals."""
    jiao, fen = divmod(int(value * 100) % 100, 10)
    tail = (numerals.financial(jiao) + "角" if jiao else "") + (numerals.financial(fen) + "分" if fen else "")
    gap = "零" if fen and not jiao else ""
    return f"{numerals.financial(int(value))}元{gap}{tail}{'' if fen else '整'}"


def _fitting(measure: Measure) -> Iterator[tuple[str, Decimal]]:
    """Units in which the value is a number that people write, and that number; at least one."""
    numbers = {unit: measure.value / scale for unit, scale in SCALES[measure.unit].items()}
    fitting = {unit: number for unit, number in numbers.items() if _is_handy(number)}
    yield from (fitting or {measure.unit: measure.value}).items()


def _is_handy(number: Decimal) -> bool:
    return Decimal("0.01") <= number < 10_000 and number == round(number, 3)


def _measures(measure: Measure) -> Iterator[str]:
    for unit, number in _fitting(measure):
        if unit not in UNITS:
            continue
        digits = _digits(number, cents=False)
        yield from chain.from_iterable((f"{each} {unit}", f"{each}{unit}") for each in digits)
        for each in _english_numbers(number, cents=False):
            yield from (f"{each} {one if number == 1 else many}" for one, many in UNITS[unit])


def _measures_zh(measure: Measure) -> Iterator[str]:
    for unit, number in _fitting(measure):
        for each in _chinese_numbers(number, cents=False):
            yield from (f"{'两' if each == '二' else each}{name}" for name in UNITS_ZH[unit])
        yield f"{decimal(number)} {UNITS_ZH[unit][0]}"
        if unit in UNITS:
            yield f"{decimal(number)}{unit}"
