"""What a module must be and do to be captured, and what is said if it does not."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from layers import Layer, assert_same, in_file, layer, refusal, rows
from table_module import OnlyStrings, example, signature
from tiers import mostly_slow
from torch import Tensor, nn

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.checks import check_runs, check_signature, check_types
from edge_export.capture.program import InputTensor

X = rows()


@pytest.mark.parametrize(
    "dtype", mostly_slow([torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool], [torch.uint8])
)
def test_types_that_can_be_exported(dtype: torch.dtype) -> None:
    def forward(self: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.layer(x * 2.5), x

    program = capture(layer(forward), torch.tensor([[0, 1, 1], [1, 0, 1]]).to(dtype))
    assert program.inputs[0].dtype == np.dtype(str(dtype).removeprefix("torch."))
    assert_same(in_file(program)(program.example), program.run(program.example))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_that_cannot_be_exported(dtype: torch.dtype) -> None:
    message = refusal(nn.Linear(3, 3).to(dtype), X.to(dtype))
    assert message.startswith(f"weight is {dtype}; export module.float(), and choose the precision of the files with ")


def test_every_weight_is_looked_at() -> None:
    check_types({"a": torch.zeros(2), "b": torch.zeros(2, dtype=torch.int16), "c": torch.zeros(2, dtype=torch.bool)})
    with pytest.raises(ExportError, match=r"^d is torch\.float64"):
        check_types({"a": torch.zeros(2), "d": torch.zeros(2).double()})


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.complex64, torch.uint16])
def test_inputs_that_cannot_be_exported(dtype: torch.dtype) -> None:
    message = refusal(layer(lambda self, x: self.layer(x.real.float())), torch.ones(4, 3).to(dtype))
    assert message == f"the input x is {dtype}; only float32, integers and booleans can be exported"


def with_autocast(self: Any, x: Tensor) -> Any:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return self.layer(x).float()


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda self, x: self.layer((x.half() * 2).float()), "computes in torch.float16 (aten._to_copy.default)"),
        (with_autocast, "computes in torch.bfloat16"),
        (lambda self, x: {"y": x.cfloat()}, "the output y is torch.complex64, which an artifact cannot hold"),
    ],
)
def test_types_on_the_way_that_cannot_be_exported(forward: Any, message: str) -> None:
    assert message in refusal(layer(forward), X)


def test_a_module_that_fails_on_its_example() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        x += 1
        if x.shape[0] == 2:
            raise ValueError("two rows")
        return x

    module, two = layer(forward), torch.zeros(2, 3)
    with pytest.raises(ExportError, match=r"^the module fails on the example inputs: ValueError: two rows"):
        check_runs(module, (two,), {})
    with pytest.raises(ExportError, match=r"inputs, when batch and length is 2 in place of 1: ValueError: two rows"):
        check_runs(module, (), {"x": two}, ["batch", "length"])
    assert not two.any()
    check_runs(module, (torch.zeros(3, 3),), {})


# ------------------------------------------------------------------------------------------------------ the signature


X_5, TEXT_3 = InputTensor("x", np.dtype("f4"), ("batch", 5)), InputTensor("text", np.dtype("i8"), ("batch", 3))


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        (
            [X_5],
            ["probability"],
            "the signature describes inputs of (name, features) [('x', 5), ('text', 3)] and the output probability; "
            "the module takes [('x', 5)] and returns probability",
        ),
        ([X_5, InputTensor("text", np.dtype("i8"), ("batch", 2))], ["probability"], "the module takes [('x', 5), ('te"),
        ([X_5, InputTensor("text", np.dtype("i8"), ("batch", 3, 1))], ["probability"], "('text', ('batch', 3, 1))"),
        ([X_5, TEXT_3], ["logits", "chance"], "and the output probability; the module takes [('x', 5), ('text', 3)] a"),
        (
            [X_5, InputTensor("text", np.dtype("i4"), ("batch", 3))],
            ["probability"],
            "the signature says that text holds strings, so the module must take their codes in int64; it takes int32",
        ),
        (
            [InputTensor("x", np.dtype("i8"), ("batch", 5)), TEXT_3],
            ["probability"],
            "the signature says that x holds numbers; the module takes int64",
        ),
    ],
)
def test_a_signature_that_does_not_fit(inputs: list[InputTensor], outputs: list[str], message: str) -> None:
    check_signature(signature(), [X_5, TEXT_3], ["logits", "probability"])
    with pytest.raises(ExportError) as raised:
        check_signature(signature(), inputs, outputs)
    assert message in str(raised.value)


def test_a_captured_module_is_held_against_its_signature() -> None:
    (text,) = example(OnlyStrings())
    with pytest.raises(ExportError, match="so the module must take their codes in int64"):
        capture(OnlyStrings(), text.int())


def test_the_module_takes_every_code() -> None:
    module = OnlyStrings()
    module.strings.tables[0] = nn.Embedding(7, 3)
    with pytest.raises(ExportError) as raised:
        capture(module, example(module))
    assert str(raised.value).startswith(
        "the module fails on the code 7 of island, which has 8 codes (0 for an unknown category, 1 for a missing "
        "value, one for each category): IndexError: "
    )


# -------------------------------------------------------------------------------------------------- the same each time


class CountingInPython(nn.Module):
    seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return x * self.seen


class OtherWhileExported(Layer):
    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layer(x)
        return found * (3 if torch.compiler.is_exporting() else 2)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            CountingInPython(),
            "the module returns another output when it is called again with the same inputs: it draws random numbers, "
            "or keeps something from call to call; make that an input",
        ),
        (layer(lambda self, x: self.layer(x) + torch.randn_like(x)), "it draws random numbers"),
        (layer(lambda self, x: F.dropout(self.layer(x))), "it draws random numbers"),
        (
            OtherWhileExported(),
            "the module returns another output than the graph that torch.export made of it: it computes differently "
            "while it is exported",
        ),
    ],
)
def test_modules_that_return_something_else_each_time(module: nn.Module, message: str) -> None:
    assert message in refusal(module, X)
