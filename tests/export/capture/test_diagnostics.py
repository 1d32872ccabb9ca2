"""What is said of an error of torch's: the operation or the line that is the cause, in one line."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from layers import layer, refusal, rows
from torch import Tensor, nn

from edge_export.capture.diagnostics import cause

X = rows()


def raised(error: Exception, because: Exception | None = None) -> Exception:
    """`error` as it is caught, with `because` as its cause."""
    with pytest.raises(type(error)) as caught:
        raise error from because
    return caught.value


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Could not guard on data-dependent expression u0 > 0", "it branches on the values of a tensor, and only one"),
        ("Unsupported: data-dependent branching\n more", "torch.cond keeps both"),
        (
            "No ONNX function found for <OpOverload(op='aten.bessel', overload='default')>",
            "ONNX has no counterpart of the operation aten.bessel",
        ),
        (
            "Error when translating node %mul : [num_users=1] = call_function[target=torch.ops.aten.mul.Tensor]",
            "the operation aten.mul.Tensor cannot be translated",
        ),
        (
            "dynamic shape operator: aten.nonzero.default; x",
            "the size of the result of aten.nonzero.default de",
        ),
        ("module references nonexistent attribute meta of a.b.meta", "torch.export reserves the name meta"),
        ("Found <class 'my.package.Answer'> in output, which", "torch.export cannot look into Answer: use a dict or"),
        ("Unsupported input type <class 'Answer'>. Export", "torch.export cannot look into Answer"),
        ("Must provide a tree_name", "torch.export cannot take **kwargs whose sizes change: name the arguments"),
        (
            "Could not find an implementation for Erf(13) node",
            "it has no kernel on the CPU for Erf in the types of this",
        ),
        ("object of torch.classes.quantized.Linear", "the module is quantized: export it in float32"),
    ],
)
def test_known_messages(message: str, expected: str) -> None:
    assert expected in cause(RuntimeError(message))
    # torch wraps them into other errors.
    assert expected in cause(raised(ValueError("it failed"), RuntimeError(message)))


def test_other_messages_are_shortened_to_their_first_line() -> None:
    assert cause(ValueError("\n  \x1b[31mfirst\x1b[0m line \nsecond")) == "ValueError: first line"
    assert cause(ValueError()) == "ValueError"


def test_the_last_line_outside_torch_is_named() -> None:
    def fails() -> None:
        torch.ones(2) @ torch.ones(3)

    with pytest.raises(RuntimeError) as caught:
        fails()
    line = fails.__code__.co_firstlineno + 1
    assert cause(caught.value).endswith(f"(at {__file__}, line {line}: torch.ones(2) @ torch.ones(3))")


def test_a_place_that_torch_names_itself() -> None:
    text = 'Could not guard on data-dependent expression\n  File "net.py", line 7, in forward\n    if x.sum() > 0:\n'
    assert cause(RuntimeError(text)).endswith("torch.cond keeps both (at net.py, line 7: if x.sum() > 0:)")


# --------------------------------------------------------------------------------------------------- as torch says it


def branches(self: Any, x: Tensor) -> Any:
    if x.sum() > 0:
        return self.layer(x)
    return x


def counts(self: Any, x: Tensor) -> Tensor:
    for _ in range(int(x[0, 0])):
        x = x + 1
    return x


@pytest.mark.parametrize(
    ("forward", "line"), [(branches, "if x.sum() > 0:"), (counts, "for _ in range(int(x[0, 0])):")]
)
def test_a_branch_on_values_is_named_by_its_line(forward: Any, line: str, capfd: pytest.CaptureFixture[str]) -> None:
    message = refusal(layer(forward), X)
    assert "it branches on the values of a tensor" in message
    assert f"{Path(__file__).name}, line {forward.__code__.co_firstlineno + 1}: {line})" in message
    # torch shows the graph so far on stderr.
    assert capfd.readouterr() == ("", "")


class Answer:
    def __init__(self, mean: Tensor) -> None:
        self.mean = mean


@pytest.mark.parametrize(
    ("forward", "example"),
    [
        (lambda self, x: Answer(self.layer(x)), X),
        (lambda self, answer: self.layer(answer.mean), (Answer(X),)),
    ],
)
def test_classes_that_torch_cannot_look_into(forward: Callable[..., Any], example: Any) -> None:
    message = refusal(layer(forward), example)
    assert "cannot look into Answer" in message
    assert "torch.export.register_dataclass" in message


class Reserved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.meta = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Any:
        return self.meta(x)


class MaskedEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1)

    def forward(self, x: Tensor, mask: Tensor) -> Any:
        return self.encoder(x, mask=mask)


@pytest.mark.parametrize(
    ("module", "example", "message"),
    [
        (Reserved(), X, "torch.export reserves the name meta, and a part of the module has it: rename that part"),
        (layer(lambda self, **named: named["x"]), {"x": X}, "torch.export cannot take **kwargs whose sizes change"),
        (MaskedEncoder(), (rows(5, 5, 4), torch.zeros(5, 5)), "to see whether it is causal: pass is_causal=True or"),
        (layer(lambda self, x: torch.linalg.svd(x)[1]), rows(2, 3, 3), "no counterpart of the operation aten._linalg"),
        (layer(lambda self, x: torch.lgamma(x)), X, "ONNX has no counterpart of the operation prims.lgamma"),
    ],
)
def test_what_torch_cannot_export(module: nn.Module, example: Any, message: str) -> None:
    assert message in refusal(module, example)


def test_a_packed_sequence() -> None:
    def forward(self: Any, x: Tensor, lengths: Tensor) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        found, _ = self.recurrent(packed)
        return nn.utils.rnn.pad_packed_sequence(found, batch_first=True)[0]

    message = refusal(layer(forward), (rows(3, 5, 3), torch.tensor([5, 3, 2])))
    assert (
        "the sizes within a packed sequence depend on the lengths: run the layer on the padded rows instead, and"
        in message
    )


def test_a_quantized_module() -> None:
    linear = nn.Sequential(nn.Linear(3, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that it moves elsewhere
        module = torch.ao.quantization.quantize_dynamic(linear, {nn.Linear})  # type: ignore[no-untyped-call]
    assert "the module is quantized: export it in float32" in refusal(module, X)
