"""What an isolated process says: every part is checked, and nothing else is raised."""

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import IsolationFailed, TensorSpec
from edge_runtime.isolate import replies

VERIFICATION = {
    "provider": "CPUExecutionProvider",
    "onnxruntime": "1.32.0",
    "versions": {"torch": "2.13.0"},
    "rows": 3,
    "intact": True,
    "signature_intact": True,
    "checks": [
        {
            "kind": "rows",
            "output": "y",
            "rows": 3,
            "error": 0.5,
            "tolerance": 1.0,
            "tolerance_used": 0.5,
            "problem": None,
        }
    ],
    "problems": [],
}
METADATA = {
    **dict.fromkeys(("producer", "graph_name", "graph_description", "description", "domain"), ""),
    "custom": {"a": "b"},
    "version": None,
    "opsets": {"ai.onnx": 17},
}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=5,
)


def test_what_is_as_it_should_be() -> None:
    verification = replies.verification(VERIFICATION)
    assert verification.passed
    assert verification.checks[0].tolerance_used == 0.5
    assert replies.metadata(METADATA).opsets == {"ai.onnx": 17}
    assert replies.specs([["x", "tensor(float)", ["n", 2, None]]]) == (
        TensorSpec("x", "tensor(float)", ("n", 2, None)),
    )
    assert replies.named({"a": 1, "b": 2, "c": 3}, ["a", "b"]) == {"a": 1, "b": 2}
    assert replies.optional_text(None) is None
    assert replies.text("a") == replies.optional_text("a") == "a"


@pytest.mark.parametrize("plain", [{}, {"a": 1}, ["a", "b"], None])
def test_a_value_that_is_missing(plain: Any) -> None:
    with pytest.raises(IsolationFailed, match="does not answer as it should"):
        replies.named(plain, ["a", "b"])


@given(anything)
def test_anything(plain: Any) -> None:
    spec = TensorSpec("x", "tensor(float)", ("n",))
    for read in (
        replies.specs,
        replies.text,
        replies.optional_text,
        replies.texts,
        lambda plain: replies.named(plain, ["a", "b"]),
        replies.metadata,
        replies.verification,
        lambda one: replies.outputs(one, [spec]),
        lambda one: replies.outputs([one], [spec]),
        lambda one: replies.specs([one]),
        lambda one: replies.specs([["x", one, one]]),
    ):
        with contextlib.suppress(IsolationFailed):
            read(plain)


@given(st.sampled_from(sorted(VERIFICATION)), st.sampled_from(sorted(METADATA)), anything)
def test_one_part_is_anything(of_verification: str, of_metadata: str, plain: Any) -> None:
    for read, whole, part in (
        (replies.verification, VERIFICATION, of_verification),
        (replies.metadata, METADATA, of_metadata),
    ):
        for changed in ({**whole, part: plain}, {name: one for name, one in whole.items() if name != part}):
            try:
                read(changed)
            except IsolationFailed:
                continue
            assert part in changed


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("tensor(float)", np.zeros(2, np.float32), np.zeros(2)),
        ("tensor(string)", np.array(["a"], np.object_), "a"),
        ("seq(tensor(int64))", [np.zeros(2, np.int64)], [np.zeros(2, np.int32)]),
        ("optional(tensor(float))", None, 1.0),
        ("optional(seq(tensor(float)))", [np.zeros(2, np.float32)], np.zeros(2, np.float32)),
        ("seq(map(string,tensor(float)))", [{"a": 1.5}], [{1: 1.5}]),
        ("map(int64,tensor(float))", {1: 1.5}, {1: "1.5"}),
        ("map(float16,tensor(float))", {}, {1.5: 1.5}),
        ("sparse_tensor(float)", None, np.zeros(2, np.float32)),
    ],
)
def test_outputs_have_the_declared_types(kind: str, good: Any, bad: Any) -> None:
    spec = TensorSpec("y", kind, ())
    if not kind.startswith(("sparse", "map(float16")):
        assert replies.outputs([good], [spec]) == [good]
    for values in ([bad], [], [good, good], good):
        with pytest.raises(IsolationFailed, match="does not answer as it should"):
            replies.outputs(values, [spec])


def test_types_that_no_model_has() -> None:
    for kind in (f"{'optional(' * 5000}tensor(float){')' * 5000}", "seq(" * 6 + ")" * 6, "tensor(" + "a" * 10**6):
        with pytest.raises(IsolationFailed, match="there is no such type"):
            replies.specs([["x", kind, []]])
