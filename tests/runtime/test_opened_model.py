"""`OpenedModel`: models without a signature, several inputs, every type, through `Predictor.run`."""

import multiprocessing
from typing import Any

import numpy as np
import pytest
from commands import assert_python_runs
from paths import FOUR_BLOBS, MODELS

from edge_runtime import InvalidInput, OpenedModel, Predictor


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(MODELS / "tensors.onnx", device="cpu")


def inputs(**changes: Any) -> dict[str, Any]:
    return {
        "float16": [[1, 2.5]],
        "float32": [[1, 2.5]],
        "float64": [1e300],
        "int8": [-128],
        "int64": [2**60],
        "uint8": [0, 1, 255],
        "bool": [True, False],
        "string": ["Zoë"],
        "scalar": 0.5,
        **changes,
    }


def test_every_type_goes_in_and_comes_out(predictor: Predictor) -> None:
    outputs = predictor.run(inputs())
    assert set(outputs) == {f"{name}_out" for name in inputs()}
    for name, value in inputs().items():
        assert outputs[f"{name}_out"].tolist() == value
    for name in ("float16", "float32", "float64", "int8", "int64", "uint8", "bool"):
        assert outputs[f"{name}_out"].dtype == name
    assert outputs["string_out"].dtype == object
    assert outputs["scalar_out"].shape == ()


def test_specs(predictor: Predictor) -> None:
    specs = {spec.name: spec for spec in predictor.inputs}
    assert str(specs["float32"]) == "float32: float32 [batch, 2]"
    assert str(specs["bool"]) == "bool: bool [?]"
    assert str(specs["string"]) == "string: string [batch]"
    assert specs["scalar"].shape == ()
    assert specs["uint8"].shape == (3,)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("float32", np.ones((1, 2), np.float64), [[1, 1]]),
        ("float32", np.ones((4, 2), np.int64)[::2], [[1, 1], [1, 1]]),
        ("float32", np.asfortranarray([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        ("float64", [True], [1.0]),
        ("int8", np.array([100], np.uint64), [100]),
        ("int64", [], []),
        ("string", np.array(["a", "b"]), ["a", "b"]),
        ("bool", np.array([], bool), []),
    ],
)
def test_casts_that_lose_no_meaning(predictor: Predictor, name: str, value: Any, found: Any) -> None:
    # An empty list is an array of floats to numpy.
    if name == "int64":
        value = np.array(value, np.int64)
    assert predictor.run(inputs(**{name: value}))[f"{name}_out"].tolist() == found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"int64": [1.5]}, "int64: int64 is expected, found 1.5"),
        ({"int8": [200]}, "int8: 200 does not fit int8"),
        ({"uint8": [0, -1, 2]}, "uint8: -1 does not fit uint8"),
        ({"float16": [[1, 70000]]}, "float16: 70000 does not fit float16"),
        ({"float32": [["a", "b"]]}, "float32: float32 is expected, found strings"),
        ({"float32": None}, "float32"),
        ({"bool": [1, 0]}, "bool: bool is expected, found int64"),
        ({"string": [1]}, "string: strings are expected, found 1"),
        ({"string": [1, "a", None]}, "string: strings are expected, found 1"),
        ({"float32": [1, 2]}, r"float32: float32 \[batch, 2\], found shape \[2\]"),
        ({"float32": [[1, 2, 3]]}, r"found shape \[1, 3\]"),
        ({"uint8": [1, 2]}, r"uint8 \[3\], found shape \[2\]"),
        ({"other": [1]}, r"scalar: float32 \[\]: unknown other$"),
        ({"sclar": [1]}, r": unknown sclar; did you mean 'scalar'\?$"),
    ],
)
def test_what_does_not_fit(predictor: Predictor, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        predictor.run(inputs(**changes))


def test_missing_input(predictor: Predictor) -> None:
    others = {name: value for name, value in inputs().items() if name != "scalar"}
    for more, message in (
        ({}, "missing scalar$"),
        ({"Scalar": 1}, r"missing scalar, unknown Scalar; did you mean 'scalar'\?$"),
        ({"float33": 1}, "missing scalar, unknown float33$"),
    ):
        with pytest.raises(InvalidInput, match=message):
            predictor.run({**others, **more})


def test_what_a_model_takes_in_one_line() -> None:
    outputs = Predictor(MODELS / "outputs.onnx", device="cpu")
    two = Predictor(MODELS / "two_inputs.onnx", device="cpu")
    takes_x, takes_two = (
        "the model takes x: float32 [batch, 2]: ",
        ("the model takes a: float32 [batch, 1]; b: float32 [batch, 1]: "),
    )
    given: Any
    for predictor, given, message in (
        (outputs, {}, f"{takes_x}missing x"),
        (outputs, {"X": 1}, f"{takes_x}missing x, unknown X; did you mean 'x'?"),
        (outputs, {"x": 1, 5: 1, "z": 1}, f"{takes_x}unknown 5, z"),
        (two, {}, f"{takes_two}missing a, b"),
        (two, {"a": 1}, f"{takes_two}missing b"),
        (
            outputs,
            [[1, 2]],
            "run takes a dict of tensors by input name, found list; the model takes x: float32 [batch, 2]",
        ),
    ):
        with pytest.raises(InvalidInput) as raised:
            predictor.run(given)
        assert str(raised.value) == message


def test_chosen_outputs() -> None:
    predictor = Predictor(MODELS / "outputs.onnx", device="cpu")
    everything = predictor.run({"x": [[1, 2]]})
    assert list(everything) == ["y", "largest", "positive"]
    for names in (["positive", "y"], ("largest",), ["y", "y"]):
        found = predictor.run({"x": [[1, 2]]}, outputs=names)
        assert list(found) == list(dict.fromkeys(names))
        for name, value in found.items():
            np.testing.assert_array_equal(value, everything[name], strict=True)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["largst"], "the model returns y, largest, positive; 'largst' is not one of them; did you mean 'largest'?"),
        ([5], "the model returns y, largest, positive; 5 is not one of them"),
        ("y", "outputs must be a list of the names of outputs, found str"),
        ([], "outputs must be a list of the names of outputs, found an empty one"),
        (
            {"x": np.zeros((9, 9))},
            "outputs must be a list of the names of outputs, found dict; run takes the inputs first",
        ),
    ],
)
def test_outputs_that_are_not_there(outputs: Any, message: str) -> None:
    predictor = Predictor(MODELS / "outputs.onnx", device="cpu")
    with pytest.raises(InvalidInput) as raised:
        predictor.run({"x": [[1, 2]]}, outputs=outputs)
    assert str(raised.value) == message


def test_repr() -> None:
    with OpenedModel(MODELS / "outputs.onnx", device="cpu") as model:
        assert repr(model) == "OpenedModel('outputs.onnx', CPUExecutionProvider)"
    assert repr(model) == "OpenedModel('outputs.onnx', CPUExecutionProvider, closed)"


def test_messages_about_many_inputs_are_short() -> None:
    helper = pytest.importorskip("onnx.helper")
    infos = [helper.make_tensor_value_info(f"input_{index}", 1, ["n"]) for index in range(300)]
    output, name = helper.make_tensor_value_info("y", 1, ["n"]), "n" * 3000
    node = helper.make_node("Sum", [info.name for info in infos], ["y"])
    graph = helper.make_graph([node], "many", infos, [output])
    content = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    model = OpenedModel(content, device="cpu")
    given = {info.name: [1] for info in infos}
    cases: list[tuple[Any, Any, tuple[str, ...]]] = [
        ({}, None, ("input_0: float32 [n]; ", "; and 290 more: missing input_0, ", "... input_299")),
        ([], None, ("found list", "and 290 more")),
        ({**given, "inpt_7": 1}, None, ("unknown inpt_7; did you mean 'input_7'?",)),
        ({**given, name: 1}, None, ("unknown nnnn",)),
        ({**given, "input_7": {name}}, None, ("input_7: not an array: found set",)),
        (given, [name], ("the model returns y; 'nnnn",)),
    ]
    for inputs, outputs, said in cases:
        with pytest.raises(InvalidInput) as raised:
            model.run(inputs, outputs)
        message = str(raised.value)
        assert len(message) < 500
        assert all(words in message for words in said), message


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_processes_however_they_are_started(method: str) -> None:
    """While another thread makes calls."""
    assert_python_runs(f"""
import multiprocessing, threading
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from edge_runtime import Predictor

predictor, stop = Predictor({str(FOUR_BLOBS)!r}, "cpu"), threading.Event()
batches = [np.full((size, 2), (-1, 1)) for size in (1, 200_000) * 2]
expected = [len(batch) for batch in batches]

def call():
    while not stop.is_set():
        predictor.predict(batches[1])

if __name__ == "__main__":
    other = ThreadPoolExecutor(1)
    other.submit(call)
    try:
        context = multiprocessing.get_context({method!r})
        process = context.Process(target=predictor.predict, args=(batches[1],))
        process.start()
        process.join()
        assert process.exitcode == 0
        with context.Pool(2, maxtasksperchild=1) as pool:
            answers = pool.map(predictor.predict, batches, chunksize=1)
            pool.close()
            pool.join()
        assert [int(labels.sum()) for labels in answers] == expected
    finally:
        stop.set()
        other.shutdown()
""")
