"""Inputs of strings reach ONNX Runtime whole, and no signal can crash the process while they do."""

import sys

import numpy as np
import pytest
from commands import assert_python_runs
from concurrency import in_threads
from hypothesis import given
from hypothesis import strategies as st
from paths import MODELS

from edge_runtime import InvalidInput, Predictor
from edge_runtime.engine.string_inputs import as_bytes

tensors = Predictor(MODELS / "tensors.onnx", device="cpu")
GIVEN = {
    "float16": [[1, 2]],
    "float32": [[1, 2]],
    "float64": [1],
    "int8": [1],
    "int64": [1],
    "uint8": [1, 2, 3],
    "bool": [True],
    "scalar": 1,
}


def answer(strings: object) -> list[str]:
    found: list[str] = tensors.run({**GIVEN, "string": strings}, outputs=["string_out"])["string_out"].tolist()
    return found


@given(st.lists(st.text(max_size=20), max_size=5))
def test_strings_are_whole(strings: list[str]) -> None:
    assert answer(strings) == strings
    answers: list[list[str]] = []
    in_threads(lambda: answers.append(answer(strings)), 1)
    assert answers == [strings]


@pytest.mark.parametrize(
    "strings", [[], [""], ["", "a\0b", "c\0"], ["é", "日本語", "🎉" * 1000], ["a" * 20_000_000, *2000 * ["b"]]]
)
def test_odd_strings(strings: list[str]) -> None:
    assert answer(strings) == strings
    assert answer(np.array(strings, object)) == strings


def test_the_space_is_bounded() -> None:
    few, many = np.array(["a" * 1_000_000]), np.array(["a" * 1_000_000, *1000 * ["b"]])
    assert as_bytes(few.astype(object)).dtype == "S1000001"
    assert as_bytes(many.astype(object)).dtype == object
    assert as_bytes(np.array([["a"], ["bc"]], object)).tolist() == [[b"a"], [b"bc"]]


def test_what_is_not_unicode() -> None:
    with pytest.raises(InvalidInput, match="surrogates not allowed"):
        answer(["\ud800"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no interval timers")
def test_handlers_that_raise_while_strings_are_read() -> None:
    assert_python_runs(f"""
import signal
import numpy as np
from edge_runtime import Predictor

class OutOfTime(Exception):
    pass

def stop(*_):
    raise OutOfTime

signal.signal(signal.SIGALRM, stop)
predictor = Predictor({str(MODELS / "islands.onnx")!r}, "cpu", threads=1)
(text,) = predictor.inputs
strings = np.array([["Dream", "2007"]] * 20_000, object)
for count in range(60):
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005 + 0.0007 * count)
            while True:
                predictor.run({{text.name: strings}})
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except OutOfTime:
        pass
assert len(predictor.predict([["Dream", 2007]])) == 1
""")
