"""What the model knows: dates, amounts and measures, each with one normal form."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

KINDS = ("date", "amount", "measure")
CURRENCIES = ("USD", "EUR", "GBP", "CNY", "JPY", "HKD")
SCALES: Mapping[str, Mapping[str, Decimal]] = {
    "m": {"km": Decimal(1000), "m": Decimal(1), "cm": Decimal("0.01"), "mm": Decimal("0.001")},
    "kg": {
        "t": Decimal(1000),
        "kg": Decimal(1),
        "g": Decimal("0.001"),
        "mg": Decimal("0.000001"),
    },
    "L": {"L": Decimal(1), "mL": Decimal("0.001")},
}
"""How much one of each unit that people write is in the unit of the normal form."""

LEAST = Decimal("0.0001")  # below it JSON writes an exponent
YEARS = range(1950, 2050)
MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True)
class Date:
    """A day, or a whole month with `day` None."""

    kind: ClassVar[str] = "date"
    year: int
    month: int
    day: int | None

    @property
    def normal(self) -> str:
        """As ISO 8601 writes it: 2024-03-03, or 2024-03 for a month."""
        month = f"{self.year:04}-{self.month:02}"
        return month if self.day is None else f"{month}-{self.day:02}"

    @property
    def parts(self) -> dict[str, str]:
        """What a tool may ask for beside the whole: nothing."""
        return {}

    @property
    def number(self) -> str:
        """The whole, since a date is no number."""
        return self.normal


@dataclass(frozen=True)
class Amount:
    """Money; `value` has two decimals at most."""

    kind: ClassVar[str] = "amount"
    value: Decimal
    currency: str

    @property
    def normal(self) -> str:
        """ISO 4217 code and two decimals: USD 3500000.00."""
        return f"{self.currency} {self.number}"

    @property
    def parts(self) -> dict[str, str]:
        """What a tool may ask for beside the number."""
        return {"currency": self.currency}

    @property
    def number(self) -> str:
        """Two decimals, no grouping."""
        return f"{self.value:.2f}"


@dataclass(frozen=True)
class Measure:
    """A length, mass or volume in `unit`: m, kg or L."""

    kind: ClassVar[str] = "measure"
    value: Decimal
    unit: str

    @property
    def normal(self) -> str:
        """Number and unit: 1200 m, 0.35 kg."""
        return f"{self.number} {self.unit}"

    @property
    def parts(self) -> dict[str, str]:
        """What a tool may ask for beside the number."""
        return {"unit": self.unit}

    @property
    def number(self) -> str:
        """All digits that count, and none else."""
        return decimal(self.value)


Value = Date | Amount | Measure


def decimal(number: Decimal) -> str:
    """Without exponent and without zeros at the end of a fraction."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def draw_date(dice: random.Random) -> Date:
    """A day between 1950 and 2049, recent years more often; one in ten is a whole month."""
    year = dice.choice(YEARS) if dice.random() < 0.4 else dice.randint(2015, 2030)
    month = dice.randint(1, 12)
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    day = dice.randint(1, MONTH_DAYS[month - 1] + leap)
    return Date(year, month, None if dice.random() < 0.1 else day)


def draw_amount(dice: random.Random) -> Amount:
    """Below ten billion: prices with cents, plain whole sums, and round ones."""
    shape = dice.random()
    if shape < 0.3:
        value = Decimal(dice.randrange(1, 10 ** dice.randint(2, 8))) / 100
    elif shape < 0.5:
        value = Decimal(dice.randrange(1, 10 ** dice.randint(1, 8)))
    else:
        value = _few_digits(dice, 4) * Decimal(10) ** dice.randint(0, 6)
    return Amount(value, dice.choice(CURRENCIES))


def draw_measure(dice: random.Random) -> Measure:
    """A number of at most four digits, two of them decimals, in one of the units that people write; 0.0001 and more."""
    unit = dice.choice(("m", "m", "kg", "kg", "L"))
    scale = dice.choice(tuple(SCALES[unit].values()))
    value = _few_digits(dice, 4) * Decimal(dice.choice(("1", "1", "0.1", "0.01"))) * scale
    return Measure(value, unit) if value >= LEAST else draw_measure(dice)


def draw(dice: random.Random, kind: str | None = None) -> Value:
    """A value of `kind`, or of any."""
    drawers: dict[str, Callable[[random.Random], Value]] = {
        "date": draw_date,
        "amount": draw_amount,
        "measure": draw_measure,
    }
    return drawers[kind or dice.choice(KINDS)](dice)


def _few_digits(dice: random.Random, most: int) -> Decimal:
    return Decimal(dice.randrange(1, 10 ** dice.randint(1, most)))
