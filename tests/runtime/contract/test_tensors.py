import numpy as np
import pytest

from edge_runtime import TensorSpec
from edge_runtime.contract.tensors import NUMPY_TYPES


@pytest.mark.parametrize("name", NUMPY_TYPES)
def test_types(name: str) -> None:
    """The same names as numpy's, but for three."""
    dtype = np.dtype({"float": "float32", "double": "float64", "string": "object"}.get(name, name))
    assert TensorSpec("x", f"tensor({name})", ()).dtype == dtype


def test_every_type_of_numpy_has_a_name() -> None:
    integers = {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
    assert set(NUMPY_TYPES) == {"float16", "float", "double", "bool", "string"} | integers


@pytest.mark.parametrize("name", ["tensor(bfloat16)", "seq(tensor(float))", "map(string,tensor(float))", ""])
def test_types_that_numpy_does_not_have(name: str) -> None:
    assert TensorSpec("x", name, ()).dtype is None


@pytest.mark.parametrize(
    ("declared", "fitting", "other"),
    [
        ((), [()], [(1,)]),
        ((3,), [(3,)], [(2,), (), (3, 1)]),
        (("batch", 2), [(0, 2), (7, 2)], [(7, 3), (2,), (1, 1, 2)]),
        ((None, None), [(0, 0), (5, 9)], [(5,)]),
    ],
)
def test_shapes(
    declared: tuple[int | str | None, ...], fitting: list[tuple[int, ...]], other: list[tuple[int, ...]]
) -> None:
    spec = TensorSpec("x", "tensor(float)", declared)
    assert [spec.takes(shape) for shape in fitting] == [True] * len(fitting)
    assert [spec.takes(shape) for shape in other] == [False] * len(other)


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        (TensorSpec("x", "tensor(float)", ("batch", 2)), "x: float32 [batch, 2]"),
        (TensorSpec("t", "tensor(string)", (None,)), "t: string [?]"),
        (TensorSpec("s", "tensor(double)", ()), "s: float64 []"),
        (TensorSpec("l", "seq(tensor(float))", ()), "l: seq(tensor(float))"),
        (TensorSpec("b", "tensor(bfloat16)", (2,)), "b: bfloat16 [2]"),
        (TensorSpec("o", "optional(tensor(float))", ("n",)), "o: float32 [n] (optional)"),
    ],
)
def test_in_words(spec: TensorSpec, shown: str) -> None:
    assert str(spec) == shown
