"""Which rows a certificate holds, and that they bound what a device may answer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from zoo import ZOO

from edge_export import export, export_checkpoint
from edge_export.capture.capture import capture
from edge_export.verify.certify import reference_batches
from edge_export.verify.reference import References
from edge_runtime import Predictor
from edge_runtime.contract.certificate import ReferenceBatch
from edge_train import four_blobs, save_checkpoint, train
from edge_train.loop.settings import EXAMPLE_DEFAULTS


def golden_of(kind: str, folder: Path) -> tuple[ReferenceBatch, ...]:
    torch.manual_seed(0)
    exhibit = ZOO[kind]
    (made,) = export(exhibit.module(), exhibit.example(), folder / "m.onnx", finite_only=True, **exhibit.options)
    assert made.certificate is not None
    return made.certificate.reference


@pytest.mark.parametrize("kind", ["residual", "embedding of integers", "no batch", "boolean output"])
def test_rows_of_every_case_that_has_some(kind: str, tmp_path: Path) -> None:
    cases = {batch.kind for batch in golden_of(kind, tmp_path)}
    assert {"rows like the example", "extreme rows"} <= cases
    if kind in ("residual", "boolean output"):
        assert "worst rows found by search" in cases
    if kind == "boolean output":
        assert "rows on the decision boundary" in cases


def test_several_lengths(tmp_path: Path) -> None:
    lengths = {batch.inputs["ids"].shape[1] for batch in golden_of("embedding of integers", tmp_path)}
    assert {1, 64} <= lengths
    assert len(lengths) > 4


def test_no_row_that_overflows_within_an_operation(tmp_path: Path) -> None:
    """There ONNX Runtime's versions differ, and a certificate must hold under all of them."""
    checkpoint = tmp_path / "model.pt"
    save_checkpoint(train(four_blobs(0), replace(EXAMPLE_DEFAULTS, epochs=50)).model, checkpoint)
    (made,) = export_checkpoint(checkpoint)
    assert made.certificate is not None
    compared = np.concatenate([batch["x"] for comparison in made.comparisons for batch in comparison.probe.calls])
    reference = np.concatenate([batch.inputs["x"] for batch in made.certificate.reference])
    assert np.abs(compared[np.isfinite(compared)]).max() > 9e29
    assert 1e8 < np.abs(reference[np.isfinite(reference)]).max() < 1.8e19
    assert np.isinf(reference).any()
    assert np.isnan(reference).any()


def test_large_rows_are_few(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    (made,) = export(module, torch.randn(2, 3, 48, 48), tmp_path / "m.onnx")
    assert made.certificate is not None
    row = 3 * 48 * 48 * 4
    assert all(batch.rows == 1 for batch in made.certificate.reference)
    # A row of each case, in base64.
    assert len(made.content) < len(made.certificate.reference) * row * 1.5 + 20_000
    assert Predictor(made.path).verify().passed


def test_what_is_allowed_is_what_the_standard_allows() -> None:
    module = nn.Linear(3, 2)
    program = capture(module, torch.randn(4, 3))
    references = References(program)
    from edge_export.verify.sampler import Sampler as Cases

    cases = Cases(program).all(references.exact)
    references.of_probes(cases)
    for batch in reference_batches(references, cases):
        reference = references.of_call(batch.inputs)["output"]
        with np.errstate(invalid="ignore"):
            rounding = np.nan_to_num(np.abs(batch.expected["output"] - reference.expected))
        assert (batch.tolerance["output"] >= reference.tolerance).all()
        assert (batch.tolerance["output"] <= (reference.tolerance + rounding) * (1 + 1e-6)).all()


def test_without_a_certificate_nothing_else_changes(tmp_path: Path) -> None:
    """Any ONNX tool reads the file; the proof is metadata beside the graph."""
    import onnx

    checkpoint = tmp_path / "model.pt"
    save_checkpoint(train(four_blobs(0), replace(EXAMPLE_DEFAULTS, epochs=50)).model, checkpoint)
    (made,) = export_checkpoint(checkpoint)
    proto = onnx.load(made.path)
    onnx.checker.check_model(proto, full_check=True)
    outputs = Predictor(made.path).predict_proba([[0.5, -1.0]])
    del proto.metadata_props[1:]
    np.testing.assert_array_equal(Predictor(proto.SerializeToString()).predict_proba([[0.5, -1.0]]), outputs)
