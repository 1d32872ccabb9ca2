"""Pairs of words that are false and true in tables."""

from collections.abc import Collection

# The word for false and the one for true, in lower case. Where one word is in several pairs, the first pair is taken.
# The letters of Turkish and Greek that look like others are written as codes.
_PAIRS = (
    *(("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"), ("off", "on")),
    *(("nein", "ja"), ("n", "j"), ("falsch", "wahr"), ("aus", "ein"), ("aus", "an")),
    *(("non", "oui"), ("n", "o"), ("faux", "vrai")),
    *(("no", "si"), ("no", "sí"), ("no", "sì"), ("falso", "verdadero"), ("falso", "vero")),
    *(("não", "sim"), ("nao", "sim"), ("falso", "verdadeiro")),
    *(("nee", "ja"), ("nei", "ja"), ("nej", "ja"), ("ei", "kyllä"), ("ne", "da"), ("nu", "da")),
    *(("nie", "tak"), ("ne", "ano"), ("nie", "áno"), ("nem", "igen"), ("нет", "да"), ("ні", "так")),
    *(("hay\u0131r", "evet"), ("\u03cc\u03c7\u03b9", "\u03bd\u03b1\u03b9"), ("לא", "כן"), ("لا", "نعم")),
    *(("否", "是"), ("不是", "是"), ("假", "真"), ("いいえ", "はい"), ("아니요", "예"), ("아니오", "예")),
)
# In any case, two words have no more spellings than this that people use.
MOST_SPELLINGS = 20


def boolean_words(words: Collection[str]) -> tuple[str, str] | None:
    """The words for false and true among the different strings of a column, spelled as there; None if there are others.

    Args:
        words: without white space around them, at least one. If one of the two words is absent, it is in lower case.
    """
    lowered = {word.lower() for word in words}
    for pair in _PAIRS:
        if lowered.issubset(pair):
            false, true = (next((word for word in words if word.lower() == one), one) for one in pair)
            return false, true
    return None
