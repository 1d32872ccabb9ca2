"""What a model would take to open is found before it is opened, in milliseconds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from paths import MODELS
from written_models import (
    BOOL,
    CountedBytes,
    attribute,
    function,
    graph,
    message,
    model,
    node,
    reference,
    tensor,
    value,
    varint,
)

from edge_runtime import InvalidModel, Limits, OpenedModel
from edge_runtime.engine import model_files, model_scan
from edge_runtime.engine.model_outline import outline_of

ENDS = ([value("x", ["b", 2])], [value("y", ["b", 2])])


def calling(name: str, result: str = "y") -> bytes:
    return graph([node(name, ["x"], [result], domain="own")], *ENDS)


def doubling(count: int) -> bytes:
    """A model of functions of which each calls the one before twice."""
    functions = [function("f0", [node("Neg", ["a"], ["b"])])]
    for one in range(1, count):
        calls = [node(f"f{one - 1}", ["a"], ["c"], domain="own"), node(f"f{one - 1}", ["c"], ["b"], domain="own")]
        functions.append(function(f"f{one}", calls))
    return model(calling(f"f{count - 1}"), functions)


def chain(count: int) -> bytes:
    """A model of functions of which each calls the one before."""
    functions = [function("f0", [node("Neg", ["a"], ["b"])])]
    functions += [function(f"f{one}", [node(f"f{one - 1}", ["a"], ["b"], domain="own")]) for one in range(1, count)]
    return model(calling(f"f{count - 1}"), functions)


def nested(depth: int) -> bytes:
    """A model of `If` within `If`."""
    inner = graph([node("Neg", ["x"], ["o"])], [], [value("o", ["b", 2])])
    for one in range(depth):
        choice = node("If", ["c"], [f"o{one}"], attribute("then_branch", inner), attribute("else_branch", inner))
        inner = graph([choice], [], [value(f"o{one}", ["b", 2])])
    choice = node("If", ["c"], ["y"], attribute("then_branch", inner), attribute("else_branch", inner))
    return model(graph([choice], [value("x", ["b", 2]), value("c", [], BOOL)], [value("y", ["b", 2])]))


def check(content: bytes, limits: Limits) -> None:
    """Look at a model as it is done before it is opened."""
    model_scan.check(content, outline_of(content, limits, "it"), limits, "it")


def refused(content: bytes, limits: Limits | None = None) -> str:
    """Why opening the model is refused."""
    with pytest.raises(InvalidModel) as raised:
        OpenedModel(content, device="cpu", limits=limits)
    return str(raised.value)


def test_functions_in_a_field_that_only_a_reader_of_32_bits_sees() -> None:
    hidden = doubling(25).replace(varint(25 << 3 | 2), varint(2**32 + (25 << 3 | 2)))
    assert refused(hidden).endswith("(it is not an ONNX file, or damaged)")


def test_functions_are_counted_where_they_are_called() -> None:
    content = doubling(25)
    assert len(content) < 3000
    assert refused(content) == (
        "the model has 50,331,647 nodes, with those of its functions in each place that calls them; the limit is "
        "200,000; if you trust it, raise the limit: limits=Limits(nodes=...), at the shell --limit nodes=..."
    )
    # More than any integer of the machine.
    assert "the model has more than 1,000,000,000,000,000 nodes, with those" in refused(doubling(100))


def test_functions_that_are_few_are_opened() -> None:
    opened = OpenedModel(doubling(4), device="cpu", limits=Limits(nodes=23))
    assert opened.run({"x": [[1, 2]]})["y"].tolist() == [[1, 2]]
    assert "23 nodes" in refused(doubling(4), Limits(nodes=22))
    check(doubling(100), Limits(nodes=None))


@pytest.mark.parametrize("domain", ["", "ai.onnx"])
def test_functions_of_a_domain_with_two_names(domain: str) -> None:
    named = message((1, "f"), (7, node("Neg", ["a"], ["b"])), (7, node("Neg", ["a"], ["b"])), (10, domain))
    for other in ("", "ai.onnx"):
        content = model(graph([node("f", ["x"], ["y"], domain=other)], *ENDS), [named])
        with pytest.raises(InvalidModel, match="has 3 nodes"):
            check(content, Limits(nodes=2))


def test_functions_whose_overloads_differ_are_not_one() -> None:
    first = function("f", [node("Neg", ["a"], ["b"])], (13, "first"))
    second = function("f", [message((1, "a"), (2, "b"), (4, "f"), (7, "own"), (8, "first"))], (13, "second"))
    calls = message((1, "x"), (2, "y"), (4, "f"), (7, "own"), (8, "second"))
    content = model(graph([calls], *ENDS), [first, second])
    check(content, Limits(nodes=3))
    with pytest.raises(InvalidModel, match="has 3 nodes"):
        check(content, Limits(nodes=2))


def test_functions_that_call_themselves() -> None:
    itself = function("f", [node("f", ["a"], ["b"], domain="own")])
    assert refused(model(calling("f"), [itself])) == "the model cannot be run: its function f calls itself"
    other = node("\x1bg", ["a"], ["b"], domain="own")
    first = function("f", [node("If", ["a"], ["b"], attribute("then_branch", graph([other])))])
    second = function("\x1bg", [node("f", ["a"], ["b"], domain="own")])
    assert "its function f calls itself" in refused(model(calling("f"), [first, second]))
    assert r"its function \x1bg calls itself" in refused(model(calling("f"), [second, first]))


def test_functions_that_call_each_other_deeply() -> None:
    message_ = "the model cannot be run: its functions call each other more than 100 deep"
    for count in (101, 20_000):
        assert refused(chain(count)) == message_
    check(chain(100), Limits())


def test_functions_that_take_graphs() -> None:
    taking = function("f", [node("If", ["a"], ["b"], reference("then_branch", 5))])
    assert "has functions that take graphs, whose nodes cannot be counted; if you trust it" in refused(
        model(calling("f"), [taking])
    )
    # The type in more bytes than it needs.
    taking = function("f", [node("If", ["a"], ["b"], message((1, "then_branch"), (21, "f")) + b"\xa0\1\x85\0")])
    assert "has functions that take graphs" in refused(model(calling("f"), [taking]))
    taking = function("f", [node("Cast", ["a"], ["b"], reference("to", 2))])
    check(model(calling("f"), [taking]), Limits())


def test_graphs_in_the_attributes_of_functions_are_counted() -> None:
    inner = graph([node("Neg", ["a"], ["b"])] * 7)
    default = function("f", [node("Neg", ["a"], ["b"])], (11, attribute("body", inner)))
    with pytest.raises(InvalidModel, match="has 9 nodes"):
        check(model(calling("f"), [default]), Limits(nodes=8))


def test_nodes_of_subgraphs_are_counted() -> None:
    assert len(OpenedModel(nested(6), device="cpu", limits=Limits(nodes=2**8 - 1)).inputs) == 2
    assert "the model has more than 254 nodes; if you trust" in refused(nested(6), Limits(nodes=2**8 - 2))


def test_a_graph_in_several_parts_is_one() -> None:
    part = graph([node("Neg", ["x"], ["y"])] * 3)
    content = message((7, part), (7, part), (7, part))
    check(content, Limits(nodes=9))
    with pytest.raises(InvalidModel, match="it has more than 8 nodes; if"):
        check(content, Limits(nodes=8))


def test_weights_are_not_read() -> None:
    class Weights(bytes):
        """Bytes of which the weight must not be looked at."""

        def __getitem__(self, place: object) -> object:  # type: ignore[override]
            assert not isinstance(place, int) or place < 100 or place > len(self) - 1000
            return super().__getitem__(place)  # type: ignore[call-overload]

    weight = tensor("w", np.zeros(1_000_000, np.float32))
    main = graph([node("Add", ["x", "w"], ["y"])], *ENDS, [weight])
    check(Weights(model(main)), Limits(nodes=1))


@pytest.mark.parametrize("content", [message((1, "")), message((1, "name"))])
def test_names_are_limited(content: bytes) -> None:
    content *= 100_000
    for one in (graph([content]), graph([message((5, content))])):
        check(model(one), Limits(nodes=5000))
        with pytest.raises(InvalidModel, match="it has more than 100,000 names and other parts; if you trust it"):
            check(model(one + message((1, content))), Limits(nodes=1000))
    with pytest.raises(InvalidModel, match="it has more than 125,000 names and other parts; if you trust it"):
        check(model(graph([]), [content]), Limits(nodes=5000))


def parts(count: int) -> Iterator[bytes]:
    """Models that have so many parts beside nodes: weights, inputs, what is said of tensors, tensors of attributes."""
    for field in (5, 11, 13, 16, 1000):
        yield model(graph([]) + message((field, "")) * count)
    # Fields that ONNX does not have.
    unknown = message((1000, 1)) * count
    yield model(graph([]) + unknown)
    yield model(graph([unknown]))
    yield model(graph([message((5, unknown[3:]))]))
    yield model(graph([message((5, "")) * count]))
    for field in (5, 10, 15, 23):
        yield model(graph([message((5, message((field, "")) * (count - 1)))]))
    inner = message((5, "")) * (count - 2)
    yield model(graph([node("If", [], [], attribute("then_branch", inner))]))
    yield model(calling("f"), [function("f", [node("If", [], [], attribute("then_branch", inner))])])


def test_weights_and_other_parts_are_limited() -> None:
    for content in parts(30_000):
        check(content, Limits(nodes=6010))
        for nodes, most in ((5999, "29,995"), (10, "20,000")):
            with pytest.raises(InvalidModel, match=f"it has more than {most} weights and other parts besides its nod"):
                check(content, Limits(nodes=nodes))
        check(content, Limits(nodes=None))


def test_as_many_weights_as_no_model_has_are_refused_early() -> None:
    """ONNX Runtime would take 280 bytes for each, which has two in the file."""

    for field in (1, 5):
        content = CountedBytes(model(message((field, "")) * 10_000_000))
        most = "200,000 nodes" if field == 1 else "1,000,000 weights and other parts"
        with pytest.raises(InvalidModel, match=f"it has more than {most}"):
            check(content, Limits())
        assert content.reads < 2_100_000


def test_models_with_a_hundred_thousand_weights_are_opened() -> None:
    weights = [tensor(f"w{number}", np.zeros(1, np.float32)) for number in range(100_000)]
    check(model(graph([node("Add", ["x", f"w{number}"], ["y"]) for number in range(50_000)], *ENDS, weights)), Limits())


def test_the_numbers_of_a_forest_are_not_counted() -> None:
    """Each node of a tree has a number in ten attributes, and the file a field for each."""
    numbers = [message((8, 2**40)) * 500_000, b"\x3d1234" * 500_000, b"\x191234567\x0a" * 500_000]
    forest = node("TreeEnsembleClassifier", ["x"], ["y"], *(message((1, "a"), (20, 7)) + one for one in numbers))
    check(model(graph([forest], *ENDS)), Limits(nodes=1))
    # What follows them is.
    branch = attribute("then_branch", graph([node("Neg", ["x"], ["y"])]))
    with pytest.raises(InvalidModel, match=r"it has more than 1 node; if you trust it"):
        check(model(graph([forest + message((5, numbers[0] + branch))], *ENDS)), Limits(nodes=1))


def test_one_of_a_kind() -> None:
    two = graph([node("Neg", ["x"], ["y"])]) + bytes(2)
    assert "has more than 1 node; " in refused(model(two + two), Limits(nodes=1))
    assert "has more than 1 byte of metadata; " in refused(model(two), Limits(metadata_bytes=1))
    assert "has more than 1,000 functions; " in refused(model(two, [b""] * 1001), Limits(nodes=1))


@pytest.mark.parametrize("limits", [Limits(nodes=1), Limits(metadata_bytes=10), Limits(nodes=100), Limits()])
def test_a_file_is_read_as_its_content_is(tmp_path: Path, limits: Limits) -> None:
    path = tmp_path / "model.onnx"
    for content in (doubling(25), nested(3), (MODELS / "four_blobs.onnx").read_bytes(), b"text", message((7, b"\x0a"))):
        path.write_bytes(content)
        found = []
        for given in (content, path):
            try:
                OpenedModel(given, device="cpu", limits=limits)
            except InvalidModel as error:
                found.append(str(error).removeprefix(str(path)).removeprefix("the model"))
            else:
                found.append("opened")
        assert found[0] == found[1]


def test_no_usual_model_is_near_a_limit() -> None:
    files = sorted(MODELS.glob("*.onnx"))
    assert len(files) > 10
    for file in files:
        check(file.read_bytes(), Limits(nodes=50, metadata_bytes=20_000))


def test_the_format_is_what_onnx_runtime_takes_a_file_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A name that reads as the identifier of the ORT format.
    content = message((2, "aaORTMaa")) + doubling(25)
    assert content[4:8] == b"ORTM"
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    # By their bytes, these are in ORT format, and damaged.
    assert "nodes" not in refused(content)
    with pytest.raises(InvalidModel, match="not a model that ONNX Runtime can load"):
        OpenedModel(path, device="cpu")
    # By its path it is an ONNX file.
    monkeypatch.setattr(model_files, "HELD_SIZE", 0)
    with pytest.raises(InvalidModel, match="50,331,647 nodes"):
        OpenedModel(path, device="cpu")
    path = path.rename(tmp_path / "model.ORT")
    with pytest.raises(InvalidModel, match="not a model that ONNX Runtime can load"):
        OpenedModel(path, device="cpu")


def test_what_is_not_an_onnx_file() -> None:
    for content in (b"text", b"\x0b\x0c", b"\x0a" + varint(2**40)):
        assert refused(content) == (
            "the model is not a model that ONNX Runtime can load (it is not an ONNX file, or damaged)"
        )


@pytest.mark.parametrize("depth", [40, 5000])
def test_deeply_nested_subgraphs_and_types_are_refused(depth: int) -> None:
    leaf = inner = graph([node("Neg", ["x"], ["o"])], [], [value("o", ["b", 2])])
    kind = message((1, message((1, 1))))
    for _ in range(depth):
        branches = attribute("then_branch", inner), attribute("else_branch", leaf)
        inner = graph([node("If", ["c"], ["o"], *branches)], [], [value("o", ["b", 2])])
        kind = message((4, message((1, kind))))
    ends = [value("x", ["b", 2]), value("c", [], BOOL)], [value("y", ["b", 2])]
    deep = node("If", ["c"], ["y"], attribute("then_branch", inner), attribute("else_branch", leaf))
    assert "not a model that ONNX Runtime can load" in refused(model(graph([deep], *ends)))
    typed = [message((1, "x"), (2, kind))], [value("y", ["b", 2])]
    assert "the model" in refused(model(graph([node("Neg", ["x"], ["y"])], *typed)))
