"""Whether a model answers category codes as it answers strings, on rows that both forms of it are given."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.category_codes import codes_of, encode
from edge_runtime.contract.signature import Feature, Input, Signature
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.engine.session import Session

_Feed = Mapping[str, npt.NDArray[Any]]
# How many rows there are at most if the model brings none. A category that is not among them is still encoded by the
# same list.
_ROWS = 1000


def answer_the_same(strings: Session, codes: Session, signature: Signature, given: Sequence[_Feed]) -> bool:
    """Whether both sessions give the same, bit for bit.

    Args:
        strings: the model as it is.
        codes: the same with codes, int64, in the place of strings.
        signature: says which inputs these are.
        given: rows as `strings` takes them, by the names of inputs; without any, some are made of the signature.

    Raises:
        InvalidInput, InferenceFailed: one of them does not answer.
    """
    names = [spec.name for spec in strings.outputs]
    encoded = {tensor.name: tensor.features for tensor in signature.inputs if tensor.holds_strings}
    types = {spec.name: spec.dtype for spec in codes.inputs}
    if any(types.get(name) != np.int64 for name in encoded) or [spec.name for spec in codes.outputs] != names:
        return False
    for feed in given or [_some(signature, strings.inputs)]:
        found = strings.run(names, feed)
        of_codes = {name: encode(array, encoded[name]) if name in encoded else array for name, array in feed.items()}
        if not all(map(_are_equal, found, codes.run(names, of_codes))):
            return False
    return True


def _are_equal(one: Any, other: Any) -> bool:
    is_array = isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.dtype == other.dtype
    if not is_array or one.shape != other.shape:
        return False
    return bool((one == other).all()) if one.dtype == np.object_ else one.tobytes() == other.tobytes()


def _some(signature: Signature, specs: Sequence[TensorSpec]) -> dict[str, npt.NDArray[Any]]:
    """Rows with every spelling, or the first thousand, and numbers as in training."""
    types = {spec.name: spec.dtype for spec in specs}
    rows = min(_ROWS, max(len(codes_of(feature)) for tensor in signature.inputs for feature in _encoded(tensor)) + 1)
    feed = {}
    for tensor in signature.inputs:
        columns = [_column(feature, rows) for feature in tensor.features]
        feed[tensor.name] = np.array(list(zip(*columns, strict=True)), types[tensor.name], order="C")
    return feed


def _encoded(tensor: Input) -> Iterator[Feature]:
    return iter(tensor.features if tensor.holds_strings else ())


def _column(feature: Feature, rows: int) -> list[Any]:
    if feature.kind == "categorical":
        # The last one is unknown: no category has another's whole text and more.
        texts = list(codes_of(feature))
        texts.append(max(texts, key=len) + "?")
        return [texts[row % len(texts)] for row in range(rows)]
    low = feature.minimum or 0.0
    numbers: list[Any] = np.linspace(low, low + 1 if feature.maximum is None else feature.maximum, rows).tolist()
    return numbers
