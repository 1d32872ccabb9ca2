"""How people write the numbers of a column: decimal commas, groups of three digits, a currency or another unit."""

import functools
import re
from dataclasses import dataclass

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.plain_numbers import FLOAT32_MAX
from edge_runtime.contract.terminal import shortened

DECIMAL_MARKS = (".", ",")
GROUPING_MARKS = ("", ",", ".", "'", " ")

# What else stands for a mark: typeset apostrophes, and the spaces that do not break a line.
_LOOKALIKES = {"'": "'\u2019\u02bc", " ": " \u00a0\u2007\u2009\u202f"}
_MINUS = "-\u2212"
_WORDS = ("inf", "infinity", "nan")
# A unit has a character that no number has, and no digit.
_PARTS_OF_NUMBERS = frozenset("+-\u2212.,'\u2019() ")
_LONGEST_UNIT = 30


@dataclass(frozen=True)
class Notation:
    """How the numbers of a column are written in text.

    Attributes:
        decimal: the mark before the decimals, "." or ",".
        grouping: the mark between groups of three digits: "", ",", ".", "'" or " ", which stands for every kind of
            space.
        prefix: the unit before the number, such as "$", "€" and "USD".
        suffix: the unit behind the number, such as "%", "€" and "kg".
    """

    decimal: str = "."
    grouping: str = ""
    prefix: str = ""
    suffix: str = ""

    def parse(self, text: str) -> float:
        """The number in `text`, such as 1234.5 for "$1,234.50", "1234.5" and "1,234.5".

        The unit may be absent, and nothing is multiplied by it: "16.4%" is 16.4. The grouping may be absent too, but
        where it is, it must make groups of three digits. A number is negative with a minus before or behind the unit,
        or in parentheses: "-$5", "$-5", "($5)". An exponent is read, and so are "inf" and "nan".

        Raises:
            InvalidInput: it is not a number in this notation, or does not fit float32.
        """
        rest, sign = _signed(text.strip())
        rest = rest.removeprefix(self.prefix).removesuffix(self.suffix).strip()
        if not sign:
            rest, sign = _signed(rest)
        pattern, marks = _number(self.decimal, self.grouping)
        if pattern.fullmatch(rest):
            number = float(rest.translate(marks))
        elif rest.lower() in _WORDS:
            return float(rest) * (sign or 1)
        elif text := text.strip():
            raise InvalidInput(f"{shortened(repr(text))} is not a number written like {self.example!r}")
        else:
            raise InvalidInput("the value is empty")
        if number > FLOAT32_MAX:
            raise InvalidInput(f"{shortened(text.strip())} does not fit float32")
        return number * (sign or 1)

    def format(self, number: float) -> str:
        """`number` in this notation, with all its digits; `parse` reads it back."""
        from decimal import Decimal

        digits = f"{Decimal(repr(abs(float(number)))):,f}".lower()
        sign = "-" if number < 0 else ""
        return sign + self._with_unit(digits.translate({ord(","): self.grouping, ord("."): self.decimal}))

    @property
    def example(self) -> str:
        """A number in this notation, such as "1.234,50 €"."""
        return self._with_unit(f"1{self.grouping}234{self.decimal}50")

    def _with_unit(self, digits: str) -> str:
        # $5 and 5%, but USD 5 and 5 €.
        before = " " if self.prefix[-1:].isalpha() else ""
        after = "" if not self.suffix or self.suffix[0] in "%‰°" else " "
        return f"{self.prefix}{before}{digits}{after}{self.suffix}"


def check_notation(notation: Notation) -> None:
    """Refuse what is not a notation. Raises TypeError and ValueError; the message says why."""
    if notation.decimal not in DECIMAL_MARKS:
        raise ValueError(f"{notation.decimal!r} is not a decimal mark")
    if notation.grouping not in GROUPING_MARKS or notation.grouping == notation.decimal:
        raise ValueError(f"{notation.grouping!r} is not a mark between digits beside {notation.decimal!r}")
    for unit in (notation.prefix, notation.suffix):
        if not isinstance(unit, str):
            raise TypeError(f"{unit!r} is not a string")
        if unit and (
            unit != unit.strip()
            or len(unit) > _LONGEST_UNIT
            or not unit.isprintable()
            or any(one.isdecimal() for one in unit)
            or _PARTS_OF_NUMBERS.issuperset(unit)
        ):
            raise ValueError(f"{shortened(repr(unit))} is not a unit")


def _signed(text: str) -> tuple[str, int]:
    """`text` without its sign, and the sign: 1, -1, or 0 if it has none."""
    if text[:1] == "(" and text[-1:] == ")":
        return text[1:-1].strip(), -1
    if text[:1] == "+":
        return text[1:].lstrip(), 1
    return (text[1:].lstrip(), -1) if text[:1] and text[:1] in _MINUS else (text, 0)


@functools.lru_cache
def _number(decimal: str, grouping: str) -> tuple[re.Pattern[str], dict[int, str]]:
    """The pattern of a number without sign and unit, and what `str.translate` makes a plain number of it with."""
    marks = _LOOKALIKES.get(grouping, grouping)
    # No group of digits begins with 0: 0,123 is a decimal comma, and would be read as 1000 times that.
    whole = "[0-9]+" + (f"|[1-9][0-9]{{0,2}}(?:[{re.escape(marks)}][0-9]{{3}})+" if marks else "")
    point = re.escape(decimal)
    pattern = re.compile(rf"(?:(?:{whole})(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?")
    return pattern, {**{ord(mark): "" for mark in marks}, ord(decimal): "."}
