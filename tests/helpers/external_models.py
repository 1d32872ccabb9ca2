"""Models with weights in other files, made without onnx: y = x + w, where w = [3, 4] lies anywhere."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from certificates import appended
from written_models import BOOL, FLOAT, attribute, graph, message, model, node, value

from edge_runtime import Certificate, ReferenceBatch
from edge_runtime.contract.certificate import seal
from edge_runtime.contract.data_file import finished
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY, DATA_KEY

WEIGHTS = np.array([3, 4], np.float32)

# The type of an attribute.
_TENSOR = 4


def external_tensor(location: str, offset: int = 0, name: str = "w") -> bytes:
    """Two floats in another file, from this offset on."""
    entries = {"location": location, "offset": str(offset), "length": "8"}
    return message(
        (1, 2), (2, FLOAT), (8, name), *((13, message((1, key), (2, text))) for key, text in entries.items()), (14, 1)
    )


def model_of(*more: tuple[int, bytes], nodes: tuple[bytes, ...] = (), functions: tuple[bytes, ...] = ()) -> bytes:
    """The file of a model with these nodes, x and y, and more fields of its graph."""
    x, y = value("x", [2]), value("y", [2])
    return model(graph([*nodes, node("Add", ["x", "w"], ["y"])], [x], [y]) + message(*more), functions)


def among_the_weights(location: str) -> bytes:
    """w among the weights of the graph."""
    return model_of((5, external_tensor(location)))


def in_an_attribute(location: str) -> bytes:
    """w in a node's attribute."""
    constant = message((1, "value"), (5, external_tensor(location)), (20, _TENSOR))
    return model_of(nodes=(node("Constant", [], ["w"], constant),))


def in_a_subgraph(location: str) -> bytes:
    """w among the weights of a branch."""
    branch = graph(
        [node("Identity", ["v"], ["inner"])], [], [value("inner", [2])], [external_tensor(location, name="v")]
    )
    condition = message((1, "value"), (5, message((2, BOOL), (5, 1), (8, "c"))), (20, _TENSOR))
    chosen = node("If", ["c"], ["w"], attribute("then_branch", branch), attribute("else_branch", branch))
    return model_of(nodes=(node("Constant", [], ["c"], condition), chosen))


def in_a_function(location: str) -> bytes:
    """w in a function of the model."""
    constant = message((1, "value"), (5, external_tensor(location)), (20, _TENSOR))
    body = node("Constant", [], ["b"], constant)
    own = message((1, "own_w"), (5, "b"), (7, body), (9, message((1, ""), (2, 16))), (10, "own"))
    return model_of(nodes=(node("own_w", [], ["w"], domain="own"),), functions=(own,))


def in_a_sparse_tensor(location: str) -> bytes:
    """w as a sparse tensor, whose values lie elsewhere."""
    places = message((1, 2), (2, 7), (8, "w_places"), (9, np.arange(2, dtype=np.int64).tobytes()))
    return model_of((15, message((1, external_tensor(location)), (2, places), (3, 2))))


def with_its_entries_first(location: str) -> bytes:
    """w as other programs may write it: the location behind other entries, its value before its key."""
    entries = [
        message((1, "offset"), (2, "0")),
        message((1, "length"), (2, "8")),
        message((2, location), (1, "location")),
    ]
    return model_of((5, message((14, 1), *((13, one) for one in entries), (8, "w"), (2, FLOAT), (1, 2))))


def in_two_parts(location: str) -> bytes:
    """w in an attribute that stands there twice: readers merge the parts."""
    whole = external_tensor(location)
    parts = [(5, whole.removesuffix(message((14, 1)))), (5, message((14, 1)))]
    constant = message((1, "value"), *parts, (20, _TENSOR))
    return model_of(nodes=(node("Constant", [], ["w"], constant),))


PLACES: tuple[Callable[[str], bytes], ...] = (
    among_the_weights,
    in_an_attribute,
    in_a_subgraph,
    in_a_function,
    in_a_sparse_tensor,
    with_its_entries_first,
    in_two_parts,
)


def certified_pair(path: Path, content: bytes | None = None) -> Path:
    """A certified model at `path`, with its data file; by default its weights are there."""
    data = path.with_name(f"{path.name}.data")
    data.write_bytes(WEIGHTS.tobytes())
    path.write_bytes(certified_with(data, content or among_the_weights(data.name)))
    return path


def certified_with(data: Path, content: bytes) -> bytes:
    """`content` with a certificate, and with an entry of the data file `data`, which is completed."""
    model = appended(certified_alone(content), DATA_KEY, finished(data).to_json())
    return seal(model, data)


def certified_alone(content: bytes) -> bytes:
    """`content` with a certificate, and without a data file."""
    x = np.array([1, 2], np.float32)
    tolerance = np.full(2, 2**-16, np.float32)
    batch = ReferenceBatch("rows", {"x": x}, {"y": x + WEIGHTS}, {"y": tolerance})
    certificate = Certificate("float32", "2**-16", (batch,), (), None, {}, {}, None)
    return seal(appended(content, CERTIFICATE_KEY, certificate.to_json()))
