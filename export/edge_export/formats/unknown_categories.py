"""Strings that an encoder must not take for known categories although they are spelled much like them."""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edge_export.tensors import evenly_spaced
from edge_runtime.contract.category_codes import codes_of
from edge_runtime.contract.signature import Feature

# Of a long list of categories so many are varied.
_VARIED = 6
_LONG = 1000
# Strings that readers take for a missing value, a number or nothing at all.
_NOTHING = (" ", "\t", "\n", "\u00a0", "\u200b", "\ufeff", "None", "nan", "null", "0", "-1", "true", "?")
_OTHERS = (*_NOTHING, "🙂", "日本語", "a\0b")
# Cyrillic and Greek letters that look like Latin ones.
_LOOK_ALIKES = str.maketrans("aceopxyABEHIKMOPTX", "асеорхуАВЕНІКМОРТΧ")  # noqa: RUF001


@lru_cache(maxsize=1024)
def spellings(feature: Feature) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """The string of each code of a feature, and strings that are unknown to it, in an order that mixes their kinds."""
    codes = codes_of(feature)
    known = np.array(["", *codes], np.object_)
    varied = dict.fromkeys(_variations([string for string in codes if string]))
    unknown = [string for string in varied if string not in codes]
    order = np.random.default_rng(0).permutation(len(unknown))
    return known, np.array(unknown, np.object_)[order]


def _variations(categories: list[str]) -> Iterator[str]:
    """Strings that an encoder that trims, folds, composes or cuts would take for one of `categories`, and others."""
    yield from _OTHERS
    for place in evenly_spaced(len(categories), _VARIED):
        text = categories[place]
        yield from (text.upper(), text.lower(), text.title(), text.swapcase())
        yield from (f" {text}", f"{text} ", f"\t{text}", f"{text}\n", f"\u00a0{text}", f"{text}\u200b", f"\ufeff{text}")
        yield from (unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD"))
        yield from (text[:-1], text[1:], f"{text}{text}", f"{text}.0", f"0{text}", f'"{text}"', f"\0{text}")
        yield from (text.translate(_LOOK_ALIKES), f"{text}\u0301", text + "x" * _LONG)
