"""Where the parts of a model are is found in one walk, whose steps are bounded however they are arranged."""

from pathlib import Path

import numpy as np
import pytest
from written_models import CountedBytes, graph, message, model, node, tensor, value

from edge_runtime import InvalidModel, Limits
from edge_runtime.engine.model_outline import Outline, outline_of
from edge_runtime.engine.protobuf import FileBytes

NEG = node("Neg", ["x"], ["y"])
WEIGHT = tensor("w", np.zeros(5000, np.float32))


def outline(content: bytes, **limits: int) -> Outline:
    return outline_of(content, Limits(**limits), "the model")


def refused(content: bytes, **limits: int) -> str:
    with pytest.raises(InvalidModel) as raised:
        outline(content, **limits)
    return str(raised.value)


def test_where_the_parts_are(tmp_path: Path) -> None:
    graphs, functions = [graph([NEG] * 3), graph([NEG] * 2, [value("x", [2])], [], [WEIGHT] * 2)], [b"one", b"another"]
    content = message((7, graphs[0]), *((25, one) for one in functions), (7, graphs[1]))
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with FileBytes(str(path)) as data:
        for found in (outline(content), outline_of(data, Limits(), "it")):
            assert [content[slice(*span)] for span in found.graphs] == graphs
            assert [content[slice(*span)] for span in found.functions] == functions
            assert found.is_message
    # A small graph is not looked into; of a large one this is exact, but for what may be within nodes.
    nodes = outline(message((7, graphs[1])))
    assert (nodes.most_nodes, nodes.most_others) == (2 + 2 * len(NEG) // 2, 4)
    assert outline(message((7, graphs[0]))).most_nodes == len(graphs[0]) // 2


def test_what_cannot_be_read_counts_as_much_as_fits_there() -> None:
    damaged = graph([NEG], [], [], [WEIGHT]) + b"\x0b" * 5000
    found = outline(message((7, damaged)))
    assert found.is_message
    assert found.most_nodes >= 2500
    assert found.most_others >= 2500
    assert not outline(message((7, graph([NEG]))) + b"\x0b").is_message


def test_metadata() -> None:
    content = model(graph([NEG]), metadata={"a": "b" * 1000})
    assert refused(content, metadata_bytes=1000).startswith(
        "the model has more than 1,000 bytes of metadata; if you trust it, raise the limit: limits=Limits(metadata_byte"
    )
    assert "has more than 1 byte of metadata; " in refused(content, metadata_bytes=1)
    assert outline(content, metadata_bytes=2000).is_message
    # Each entry takes memory, however short it is.
    entry = message((14, message((1, "a"))))
    assert "more than 10,000 bytes of metadata" in refused(entry * 100, metadata_bytes=10_000)


@pytest.mark.parametrize("parts", [(7, b""), (25, b"")])
def test_many_graphs_and_functions_are_not_gathered(parts: tuple[int, bytes]) -> None:
    assert "the model has more than 200,000 functions; if you trust" in refused(message(parts) * 1_000_000)
    assert "has more than 1,000 functions; " in refused(message(parts) * 2000, nodes=1)
    assert outline(message(parts) * 1000, nodes=1).is_message


def test_it_takes_no_more_steps_however_the_parts_are_arranged() -> None:
    sizes = message(*[(1, 1)] * 500_000)
    weights = message((5, tensor("w", np.zeros(2, np.float32)))) * 100_000
    for content in (
        message((7, weights)),
        message((7, message((5, sizes)))),
        message((7, message((5, sizes[:30_000])) * 50)),
        message((7, message((2, "a" * 5000)))) * 800,
        message((7, sizes)) * 3,
    ):
        counted = CountedBytes(content)
        assert not outline(counted).may_refer
        assert counted.reads < 200_000
        # What is not looked at is searched.
        assert outline(content[:-6] + b"location").may_refer
