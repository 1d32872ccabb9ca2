"""A feature: one column of a row."""

import contextlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.contract.lazy import cached_property
from edge_runtime.contract.signature_document import NOTATION_KEYS, Kind, Order

if TYPE_CHECKING:
    from edge_runtime.contract.notation import Notation


@dataclass(frozen=True)
class Feature:
    """One column of a row.

    Attributes:
        name: the column's name in the training table.
        kind: what the column holds: "numeric" finite numbers, "boolean" true (1) or false (0), "categorical" strings,
            or integers that are codes, "date" dates, with a time or without one.
        minimum: the smallest number in training, in the column's own unit, that of dates seconds since 1970-01-01 UTC;
            None if not known.
        maximum: the largest number in training, likewise.
        missing: the fraction of training rows in which the value was missing, from 0 to 1; None if the model does not
            accept missing values in this column.
        categories: for the categorical kind, the categories in training: all strings, or all integers. The model also
            takes other ones, as unknown categories.
        notation: for the numeric kind, how numbers in text are written; None if as programs write them.
        words: for the boolean kind, the words for false and for true in text, besides false and true, 0 and 1.
        order: for the date kind, the order of day, month and year in text that does not begin with the year.
        baseline: a typical value in training, which `Predictor.explain` compares with: a number, True or False, a
            category, of dates seconds since 1970-01-01 UTC; the empty string if it is typical that the value is
            missing; None if not known.
    """

    name: str
    kind: Kind = "numeric"
    minimum: float | None = None
    maximum: float | None = None
    missing: float | None = None
    categories: tuple[str, ...] | tuple[int, ...] = ()
    notation: "Notation | None" = None
    words: tuple[str, str] | None = None
    order: Order = "ymd"
    baseline: float | str | None = None

    @cached_property
    def spellings(self) -> Mapping[object, str]:
        """How each category is spelled, by its string, by its number, and by (True,) or (False,) if it is a boolean.

        A category with a zero before its digits, such as "007", is a name: no number stands for it.
        """
        found: dict[object, str] = {}
        for text in map(str, self.categories):
            number = _number_of(text)
            if number is not None and not _has_leading_zero(text):
                found.setdefault(number, text)
            if text.lower() in ("true", "false"):
                found.setdefault((text.lower() == "true",), text)
            found[text] = text
        return found

    def has_spelled(self, kind: type) -> bool:
        """Whether a category is spelled as a number, of kind `float`, or as a boolean, of kind `tuple`."""
        if any(type(known) is kind for known in self.spellings):
            return True
        return kind is float and any(_number_of(str(one)) is not None for one in self.categories)

    def __repr__(self) -> str:
        return f"Feature({self.name!r}, {self.kind})"


def read_feature(plain: Mapping[str, Any]) -> Feature:
    """The feature in a document that was checked."""
    minimum, maximum, missing = plain.get("minimum"), plain.get("maximum"), plain.get("missing")
    kind, notation, words = plain["kind"], plain.get("notation"), plain.get("words")
    return Feature(
        plain["name"],
        kind,
        None if minimum is None else float(minimum),
        None if maximum is None else float(maximum),
        None if missing is None else float(missing),
        tuple(plain["categories"]) if kind == "categorical" else (),
        _notation(notation) if kind == "numeric" and notation is not None else None,
        (words[0], words[1]) if kind == "boolean" and words is not None else None,
        plain.get("order", Feature.order) if kind == "date" else Feature.order,
        plain.get("baseline"),
    )


def plain_feature(feature: Feature) -> dict[str, Any]:
    """`feature` in plain Python types, as documents have it: without what is as by default."""
    plain: dict[str, Any] = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(feature).items()
        if value is not None and value != ()
    }
    if plain["order"] == Feature.order:
        del plain["order"]
    if "notation" in plain:
        default = asdict(_notation({}))
        plain["notation"] = {key: mark for key, mark in plain["notation"].items() if mark != default[key]}
    return plain


def _notation(plain: Mapping[str, Any]) -> "Notation":
    # Few models have one, and opening the others does not wait for it.
    from edge_runtime.contract.notation import Notation

    return Notation(**{key: plain[key] for key in NOTATION_KEYS if key in plain})


def _number_of(text: str) -> float | None:
    """The finite number that `text` is, if it is one."""
    with contextlib.suppress(ValueError):
        if math.isfinite(number := float(text)):
            return number
    return None


def _has_leading_zero(text: str) -> bool:
    digits = text.strip().lstrip("+-")
    return digits[:1] == "0" and digits[1:2].isdigit()
