"""Modules of many kinds on their whole way: exported, opened, verified, and answering as torch does."""

import functools
import inspect
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from quick_exports import few_probes
from tiers import mostly_slow
from torch import Tensor, nn
from torch.export import Dim
from torch.utils import _pytree as pytree
from zoo import ZOO

from edge_export import ParityError, export
from edge_export.capture.quiet import quiet
from edge_export.cli.command import main
from edge_runtime import Predictor
from edge_runtime.cli.command import main as predict

Command = Callable[..., Any]
Arrays = Mapping[str, npt.NDArray[Any]]

# ONNX Runtime's recurrent operators do not carry NaN on as torch does.
FINITE = {"LSTM, dynamic length", "GRU"}
SIZES = {"batch": 5, "length": 11}


class Exported(NamedTuple):
    module: nn.Module
    example: tuple[Any, ...]
    content: bytes


def module_and_example(name: str) -> tuple[nn.Module, tuple[Any, ...]]:
    """The module, in evaluation mode, and the positional arguments that it is exported with."""
    torch.manual_seed(0)
    module, example = ZOO[name].module().eval(), ZOO[name].example()
    return module, example if isinstance(example, tuple) else (example,)


@functools.cache
def exported(name: str) -> Exported:
    """It and its file, which is all that an export leaves behind."""
    module, example = module_and_example(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        (made,) = export(module, example, path, formats=["onnx"], finite_only=name in FINITE, **ZOO[name].options)
        assert [left.name for left in path.parent.iterdir()] == ["model.onnx"]
    return Exported(module, example, made.content)


def fresh(predictor: Predictor, example: tuple[Any, ...]) -> dict[str, npt.NDArray[Any]]:
    """Inputs that are not the example: other sizes where they may change, and other values."""
    random = np.random.default_rng(1)
    tensors: dict[str, npt.NDArray[Any]] = {}
    for spec, old in zip(predictor.inputs, pytree.tree_leaves(example), strict=True):
        assert spec.dtype is not None
        shape = [SIZES[size] if isinstance(size, str) else int(size or 0) for size in spec.shape]
        if spec.dtype.kind == "f":
            tensors[spec.name] = random.normal(size=shape).astype(np.float32)
        else:
            tensors[spec.name] = random.choice(old.numpy().reshape(-1), size=shape)
    return tensors


def assert_as_torch(found: Arrays, made: Exported, tensors: Arrays) -> None:
    _, structure = pytree.tree_flatten(made.example)
    with torch.no_grad():
        results = made.module(*pytree.tree_unflatten(list(map(torch.from_numpy, tensors.values())), structure))
    for values, expected in zip(found.values(), pytree.tree_leaves(results), strict=True):
        assert (values.dtype, values.shape) == (expected.numpy().dtype, tuple(expected.shape))
        np.testing.assert_allclose(values, expected.numpy(), rtol=1e-4, atol=1e-5)


# All tests of one module follow each other, in the process that has exported it.
every = pytest.mark.parametrize(
    "name", mostly_slow(ZOO, ["dict in, dict out", "embedding of integers", "no batch"]), scope="module"
)


@every
def test_it_answers_as_torch_does(name: str) -> None:
    made = exported(name)
    predictor = Predictor(made.content, device="cpu", verify=True)
    assert predictor.certificate is not None
    assert predictor.certificate.rows > 0
    tensors = fresh(predictor, made.example)
    assert_as_torch(predictor.run(tensors), made, tensors)


@every
def test_it_is_plain_onnx(name: str) -> None:
    made = exported(name)
    onnx.checker.check_model(made.content, full_check=True)
    session = onnxruntime.InferenceSession(made.content, providers=["CPUExecutionProvider"])
    tensors = fresh(Predictor(made.content, device="cpu"), made.example)
    names = [output.name for output in session.get_outputs()]
    assert_as_torch(dict(zip(names, session.run(None, tensors), strict=True)), made, tensors)


@pytest.mark.parametrize("name", mostly_slow(ZOO, ["boolean output"]))
def test_from_a_saved_program_at_the_shell(command: Command, tmp_path: Path, name: str) -> None:
    module, example = module_and_example(name)
    dynamic = ZOO[name].options.get("dynamic", {})
    shapes = {
        argument: {axis: Dim.AUTO for axis, size in enumerate(dynamic.get(argument, ["batch"])) if size}
        if isinstance(value, Tensor)
        else pytree.tree_map(lambda _: {0: Dim.AUTO}, value)
        for argument, value in inspect.signature(module.forward).bind(*example).arguments.items()
    }
    with quiet():
        torch.export.save(torch.export.export(module, example, dynamic_shapes=shapes), tmp_path / "model.pt2")
    finite = ["--finite"] if name in FINITE else []
    # All of them are tried on the same modules above.
    with few_probes():
        result = command(main, tmp_path / "model.pt2", "--format", "onnx", *finite)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"{tmp_path / 'model.onnx'} ")
    verified = command(predict, tmp_path / "model.onnx", "--verify")
    assert (verified.code, verified.err) == (0, "")


@pytest.mark.slow
def test_a_recurrent_layer_says_how_it_can_be_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with pytest.raises(ParityError) as raised:
        export(
            nn.GRU(2, 3),
            torch.randn(4, 2, 2),
            tmp_path / "model.onnx",
            dynamic={"input": (None, "batch")},
            require_nonfinite=True,
        )
    assert "among rows with NaN or infinity" in str(raised.value)
    assert "--finite (finite_only=True) excludes them" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


class Scaled(nn.Module):
    def forward(self, rows: Tensor, factor: Tensor, times: Tensor) -> Tensor:
        return rows * factor * times


def test_scalars(tmp_path: Path) -> None:
    export(Scaled(), (torch.randn(3, 2), torch.tensor(2.0), torch.tensor(3)), tmp_path / "model.onnx")
    predictor = Predictor(tmp_path / "model.onnx", verify=True)
    assert [spec.shape for spec in predictor.inputs] == [("batch", 2), (), ()]
    assert predictor.run({"rows": [[1, -2]], "factor": 0.5, "times": 3})["output"].tolist() == [[1.5, -3]]


class Masked(nn.Module):
    def forward(self, query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
        return nn.functional.scaled_dot_product_attention(query, key, key, attn_mask=mask)


@pytest.mark.slow
def test_attention_without_heads_and_a_mask_that_leaves_nothing(tmp_path: Path) -> None:
    """Where nothing is left to attend to torch gives zeros, and torch's own ONNX exporter NaN."""
    torch.manual_seed(0)
    mask = torch.rand(3, 4, 5) > 0.5
    mask[0, 1] = False
    query, key = torch.randn(3, 4, 8), torch.randn(3, 5, 8)
    export(Masked(), (query, key, mask), tmp_path / "model.onnx", finite_only=True)
    predictor = Predictor(tmp_path / "model.onnx", verify=True)
    found = predictor.run({"query": query.numpy(), "key": key.numpy(), "mask": mask.numpy()})["output"]
    np.testing.assert_allclose(found, Masked()(query, key, mask).numpy(), atol=1e-6)
    assert (found[0, 1] == 0).all()
