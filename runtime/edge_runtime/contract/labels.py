"""Labels: the names of classes, and what they may be."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy.typing as npt

Label: TypeAlias = int | float | str | bool


def checked_labels(plain: object, binary: bool = False) -> tuple[Label, ...]:
    """The labels in `plain`.

    Args:
        plain: a list or tuple of at least two labels, all different and of the same type; strings have one line.
        binary: whether there must be exactly two.

    Raises:
        TypeError, ValueError: they are not labels; the message says why.
    """
    if not isinstance(plain, Sequence) or isinstance(plain, str):
        raise TypeError("labels is not a list")
    if not all(isinstance(label, Label) for label in plain) or len({type(label) for label in plain}) > 1:
        raise TypeError("the labels are not all of the same type")
    if len(plain) < 2 or (binary and len(plain) > 2):
        raise ValueError(f"two different labels{'' if binary else ' or more'} are needed, found {list(plain)}")
    places: dict[str, int] = {}
    for place, label in enumerate(plain, start=1):
        # As strings they must differ too, since JSON answers use them as keys.
        if (first := places.setdefault(str(label), place)) != place:
            raise ValueError(
                f"the label {label!r} is there twice, as number {first} and {place} of {len(plain)}; "
                "give each class its own"
            )
        if isinstance(label, int) and not -(2**63) <= label < 2**64:
            raise ValueError(f"the label {label} does not fit into 64 bits; write it as a string")
        if isinstance(label, float) and not math.isfinite(label):
            raise ValueError(f"the label {label} is not finite")
        if isinstance(label, str) and len(label.splitlines()) > 1:
            raise ValueError(f"the label {label!r} has more than one line")
    return tuple(plain)


def as_classes(labels: Sequence[Label]) -> "npt.NDArray[Any]":
    """Labels as an array, shape (classes,), that gives back each as it is.

    It is of objects where no type of numpy holds them all: integers of which one is below 0 and one above 2**63 - 1,
    which would become floats, and strings that end with a null character, which would lose it.
    """
    # Help does not need it.
    import numpy as np

    classes = np.array(labels)
    found = classes.tolist()
    is_same = found == list(labels) and all(type(one) is type(label) for one, label in zip(found, labels, strict=True))
    return classes if is_same else np.array(labels, np.object_)
