"""What a function of tensors gave, for inputs that come again.

An export asks for the same calls again and again: whether they run, what they give, how far roundings move that. Of a
deep network each takes a second.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from edge_export.tensors import Tensors

# How many bytes of results are kept.
_MOST = 2**26


class RecentResults:
    """The latest results of one function of tensors, by the content of these."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Tensors] = OrderedDict()
        self._size = 0

    def of(self, tensors: Tensors, compute: Callable[[Tensors], Tensors]) -> Tensors:
        """What `compute` gives for `tensors`, or gave before: read-only arrays. What it raises is not kept."""
        key = _digest(tensors)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        found = compute(tensors)
        for values in found.values():
            values.flags.writeable = False
        self._kept[key] = found
        self._size += _bytes(found)
        while self._size > _MOST:
            self._size -= _bytes(self._kept.popitem(last=False)[1])
        return found


def _bytes(tensors: Tensors) -> int:
    return sum(values.nbytes for values in tensors.values())


def _digest(tensors: Tensors) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name, values in sorted(tensors.items()):
        digest.update(f"{name} {values.dtype.str} {values.shape} ".encode())
        digest.update(values.tobytes())
    return digest.digest()
