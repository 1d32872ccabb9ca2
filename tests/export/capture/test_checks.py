"""What a module must be and do to be captured, and what is said if it does not."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from date_module import Dated
from date_module import example as dates
from exports import onnx_bytes
from layers import Layer, assert_same, in_file, layer, refusal, rows
from table_module import OnlyStrings, example, signature
from tiers import mostly_slow
from torch import Tensor, nn

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.checks import check_runs, check_signature, check_types
from edge_export.capture.program import InputTensor
from edge_export.formats.onnx_file import load_onnx

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


@pytest.mark.parametrize("dtype", mostly_slow([torch.float64, torch.float16], [torch.float16]))
def test_modules_of_other_precisions(dtype: torch.dtype) -> None:
    program = capture(layer(lambda self, x: self.layer(x).tanh()).to(dtype), X.to(dtype))
    assert program.inputs[0].dtype == np.dtype(str(dtype).removeprefix("torch."))
    x = {"x": rows(7, 3).to(dtype).numpy()}
    found, expected = in_file(program)(x)["output"], program.run(x)["output"]
    assert found.dtype == expected.dtype == program.inputs[0].dtype
    np.testing.assert_allclose(found, expected, rtol=4 * torch.finfo(dtype).eps, atol=4 * torch.finfo(dtype).eps)


def test_parameters_and_buffers_of_another_type_than_the_inputs() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        wide = (x.double() * self.scales).float()
        turned = torch.view_as_real(torch.view_as_complex(wide.reshape(-1, 2, 2)) * self.phases)
        found: Tensor = self.linear(x)[:, :1] + turned.flatten(1)
        return found

    module: Any = layer(forward)
    module.register_buffer("scales", torch.tensor([1.0, 0.1, 0.2, 0.3], dtype=torch.float64))
    module.phases = nn.Parameter(torch.polar(torch.ones(2), torch.tensor([0.5, 1.0])))
    program = capture(module, rows(4, 4))
    x = {"x": rows(7, 4).numpy()}
    assert_same(in_file(program)(x), program.run(x))


def test_every_weight_is_looked_at() -> None:
    check_types({"a": torch.zeros(2), "b": torch.zeros(2, dtype=torch.int16), "c": torch.zeros(2, dtype=torch.bool)})
    message = r"^d is torch\.float8_e5m2; export module\.float\(\), and choose the precision of the files with "
    with pytest.raises(ExportError, match=message):
        check_types({"a": torch.zeros(2), "d": torch.zeros(2).to(torch.float8_e5m2)})


@pytest.mark.parametrize(
    ("dtype", "reason"),
    [
        (torch.bfloat16, "which numpy does not have: make it float32, and convert it in the forward"),
        (torch.complex64, "which ONNX Runtime neither takes nor gives: see torch.view_as_real"),
        (torch.uint16, "which an artifact cannot hold"),
    ],
)
def test_inputs_and_outputs_that_an_artifact_cannot_have(dtype: torch.dtype, reason: str) -> None:
    message = refusal(layer(lambda self, x: self.layer(x.real.float())), torch.ones(4, 3).to(dtype))
    assert message == f"the input x is {dtype}, {reason}"
    assert refusal(layer(lambda self, x: {"y": x.to(dtype)}), X) == f"the output y is {dtype}, {reason}"


def with_autocast(self: Any, x: Tensor) -> Any:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return self.layer(x).float()


def test_a_type_that_onnx_runtime_cannot_compute_in() -> None:
    program = capture(layer(with_autocast), X)
    with pytest.raises(
        ExportError, match=r"it has no kernel on the CPU for \w+ in the types of this module: export it"
    ):
        load_onnx(onnx_bytes(program))


def test_a_module_that_fails_on_its_example() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        x += 1
        if x.shape[0] == 2:
            raise ValueError("two rows")
        return x

    module, two = layer(forward), torch.zeros(2, 3)
    with pytest.raises(ExportError, match=r"^the module fails on the example inputs: ValueError: two rows"):
        check_runs(module, (two,), {})
    advice = r"; if it takes nothing but 1, say that the axis is fixed: dynamic=\{'x': \(\)\} \(--dynamic x=_\)$"
    message = rf"inputs, when batch and length is 2 in place of 1: ValueError: two rows .*{advice}"
    with pytest.raises(ExportError, match=message):
        check_runs(module, (), {"x": two}, {"x": ("batch", "length")}, ["batch", "length"])
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


def test_dates_are_taken_in_seconds() -> None:
    with pytest.raises(ExportError) as raised:
        capture(Dated(), torch.zeros(2, 2, dtype=torch.int32))
    assert str(raised.value) == (
        "the signature says that date holds dates, so the module must take their seconds since 1970 in int64; it takes "
        "int32"
    )


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (0, 2**62, "the module fails on 0001-01-01 (-62135596800) for the date sold, "),
        (-(2**62), 2**36, "the module fails on 9999-12-31 23:59:59 (253402300799) for the date sold, "),
        (-(2**62), 2**62, "the module fails on a missing value, -2**63, for the date sold, "),
    ],
)
def test_the_module_takes_every_date(low: int, high: int, message: str) -> None:
    class Bounded(Dated):
        def forward(self, date: Tensor) -> Tensor:
            if not torch.compiler.is_exporting() and not (low <= int(date.min()) <= int(date.max()) < high):
                raise ValueError("no such date")
            return super().forward(date)

    with pytest.raises(ExportError) as raised:
        capture(Bounded(), dates())
    assert str(raised.value).startswith(
        f"{message}which may be any of the years 1 to 9999 in seconds since 1970: ValueError: no such date"
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


def test_random_numbers_that_the_example_does_not_show() -> None:
    """Of a probability of 1 the draw is always 1."""
    with pytest.raises(ExportError, match=r"the module draws random numbers .*bernoulli.*: make them an input"):
        capture(layer(lambda self, x: torch.bernoulli(x.clamp(0, 1))), torch.ones(4, 3))
