"""Which rows a certificate holds: as many as fit, at least one, and never more bytes than they may take."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from quick_exports import few_probes
from torch import nn

from edge_export import export
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.tensors import Tensors
from edge_export.verify.certify import certificate
from edge_export.verify.probe_kinds import EXTREME, GENERATED, ProbeInputs
from edge_export.verify.reference_rows import (
    MOST_BYTES,
    chosen_batches,
    compact_batch,
    few_rows,
    generated_batch,
    room_for_rows,
    whole_batch,
)
from edge_runtime import Predictor, ReferenceBatch

ROOMS = (1500, 4000, 20_000, MOST_BYTES, 400_000)


def judged(program: Program, tensors: Tensors) -> tuple[Tensors, Tensors]:
    """Torch's outputs, with tolerances that are all different."""
    outputs = program.run(tensors)
    random = np.random.default_rng(0)
    return outputs, {name: random.random(values.shape, np.float32) for name, values in outputs.items()}


def chosen(program: Program, probes: list[ProbeInputs], room: int) -> tuple[ReferenceBatch, ...]:
    return chosen_batches(program, probes, room, functools.partial(judged, program))


def size_of(batches: tuple[ReferenceBatch, ...]) -> int:
    """What they add to a certificate, as it stands in the file."""
    compact = any(batch.generated or batch.selected for batch in batches)
    return len(json.dumps([batch.plain(compact) for batch in batches])) - 2


def calls(*shapes: tuple[int, ...]) -> tuple[Tensors, ...]:
    random = np.random.default_rng(0)
    return tuple({"x": random.standard_normal(shape, np.float32)} for shape in shapes)


def logits() -> Program:
    torch.manual_seed(0)
    ids = torch.randint(5000, (2, 8))
    return capture(nn.Sequential(nn.Embedding(5000, 2), nn.Linear(2, 5000)), {"input": ids}, None)


def image(x: torch.Tensor) -> Any:
    return x.mean((2, 3)), x * 2, x > 0


CASES: dict[str, Callable[[], tuple[Program, list[ProbeInputs]]]] = {
    "small rows": lambda: (
        capture(layer(lambda self, x: self.layer(x)), rows()),
        [ProbeInputs("a", calls((500, 3))), ProbeInputs("b", calls((1, 3), (7, 3)))],
    ),
    "logits": lambda: (
        logits(),
        [
            ProbeInputs(str(kind), ({"input": np.random.default_rng(kind).integers(5000, size=(9, 8))},))
            for kind in range(3)
        ],
    ),
    "images": lambda: (
        capture(layer(lambda self, x: image(x)), torch.randn(2, 3, 64, 64)),
        [
            ProbeInputs("images", calls((5, 3, 64, 64))),
            ProbeInputs(EXTREME, ({"x": np.ones((2, 3, 64, 64), np.float32)},)),
        ],
    ),
    "lengths": lambda: (
        capture(layer(lambda self, x: x.cumsum(1)), rows(4, 5), {"x": ("batch", "length")}),
        [ProbeInputs("lengths", calls((1, 1), (2, 8), (1, 3000), (1, 90_000)))],
    ),
    "no batch": lambda: (
        capture(layer(lambda self, x: x.sum() + x), torch.randn(20_000), {"x": (None,)}),
        [ProbeInputs("calls", calls((20_000,), (20_000,)))],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_they_fit_and_there_are_some(case: str) -> None:
    program, probes = CASES[case]()
    for room in ROOMS:
        batches = chosen(program, probes, room)
        assert batches
        assert size_of(batches) <= room, (room, [vars(batch) for batch in batches])
        for batch in batches:
            outputs = program.run(batch.inputs)
            for name, expected in batch.expected.items():
                values = outputs[name]
                if (one := batch.selected.get(name)) is not None:
                    assert one.shape == values.shape
                    values = values.reshape(-1)[one.places(len(expected))]
                np.testing.assert_array_equal(values, expected)
                assert batch.tolerance[name].shape == expected.shape


def test_small_rows_are_stored_whole_so_that_older_versions_read_them() -> None:
    program, probes = CASES["small rows"]()
    batches = chosen(program, probes, MOST_BYTES)
    assert [(batch.kind, batch.rows) for batch in batches] == [("a", 32), ("b", 7)]
    assert not any(batch.generated or batch.selected for batch in batches)


def test_rows_of_every_kind_with_many_outputs() -> None:
    program, probes = CASES["logits"]()
    batches = chosen(program, probes, MOST_BYTES)
    assert [batch.kind for batch in batches] == ["0", "1", "2"]
    assert all(batch.rows == 9 and not batch.generated for batch in batches)
    assert all(len(batch.expected["output"]) > 1000 for batch in batches)
    assert size_of(batches) > 0.9 * MOST_BYTES


def test_a_row_that_is_too_large_is_generated() -> None:
    program, probes = CASES["images"]()
    generated, extreme = chosen(program, probes, MOST_BYTES // 2)
    assert (generated.kind, generated.rows) == (GENERATED, 4)
    x = generated.inputs["x"]
    assert 0.4 < x.std() < 4
    assert probes[0].calls[0]["x"].min() <= x.min() < x.max() <= probes[0].calls[0]["x"].max()
    # One number, wherever it is.
    assert (extreme.kind, extreme.generated) == (EXTREME, {})


def test_integers_and_booleans_are_generated_within_their_range() -> None:
    module = layer(lambda self, codes, mask: nn.functional.one_hot(codes, 7).float() * mask[..., None])
    codes, mask = torch.randint(2, 7, (2, 9000)), torch.rand(2, 9000) > 0.5
    program = capture(module, {"codes": codes, "mask": mask})
    batch = generated_batch(program, GENERATED, program.example, 2000, functools.partial(judged, program))
    assert batch is not None
    assert set(batch.generated) == {"codes", "mask"}
    assert set(np.unique(batch.inputs["codes"])) == {2, 3, 4, 5, 6}
    assert batch.inputs["mask"].dtype == np.bool_
    assert set(np.unique(batch.inputs["mask"])) == {False, True}


def test_what_the_module_fails_on_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    program, probes = CASES["small rows"]()
    judge = functools.partial(judged, program)
    monkeypatch.setattr(Program, "try_run", lambda self, tensors: None)
    row = few_rows(program, probes[0])
    assert len(row["x"]) == 4
    assert chosen(program, probes, MOST_BYTES) == ()
    assert whole_batch(program, "rows", row, MOST_BYTES, judge) is None
    assert compact_batch(program, "rows", row, MOST_BYTES, judge) is None
    assert generated_batch(program, "rows", row, MOST_BYTES, judge) is None


def test_the_room_is_what_the_rest_of_the_certificate_leaves() -> None:
    program, _ = CASES["small rows"]()
    rest = certificate(program, (), [], "float32", "rule", None, {}, 18)
    length = len(rest.to_json().encode())
    assert room_for_rows(rest, 1000) == 48 * 1024 - length
    assert room_for_rows(rest, 10_000_000) == 500_000 - length


def test_certificates_of_whole_files(tmp_path: Path) -> None:
    torch.manual_seed(0)
    modules = {
        "logits": (nn.Sequential(nn.Embedding(3000, 2), nn.Linear(2, 3000)), torch.randint(3000, (2, 8))),
        "image": (nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Tanh()), torch.rand(2, 1, 128, 128)),
    }
    for name, (module, example) in modules.items():
        with few_probes():
            (made,) = export(module, example, tmp_path / f"{name}.onnx", finite_only=True)
        assert made.certificate is not None
        assert json.loads(made.certificate.to_json())["schema_version"] == 3
        assert 10_000 < len(made.certificate.to_json().encode()) <= MOST_BYTES
        assert Predictor(made.path, verify=True)
    for precision in ("float16", "int8-dynamic"):
        with few_probes():
            (made,) = export(*modules["logits"], tmp_path / "lower.onnx", precisions=[precision])
        assert made.certificate is not None
        assert len(made.certificate.to_json().encode()) <= MOST_BYTES
