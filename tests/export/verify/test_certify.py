"""Which rows a certificate holds, and that they bound what a device may answer."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from exports import the_one
from layers import layer, rows
from quick_exports import few_probes
from tiers import mostly_slow
from torch import nn
from zoo import ZOO

from edge_export import Budget, Export, Precision, export
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.tensors import Tensors
from edge_export.verify.certify import (
    arrays_sha256,
    certificate,
    quantized_reference_batch,
    reference_batches,
    weights_sha256,
)
from edge_export.verify.probe_inputs import all_probe_inputs
from edge_export.verify.probe_kinds import BOUNDARY, ProbeInputs
from edge_export.verify.quantization_budget import Change
from edge_export.verify.reference import ProbeReference, References
from edge_export.verify.reference_rows import MOST_BYTES
from edge_export.verify.sampler import Sampler
from edge_runtime import Certificate, Predictor, __version__
from edge_train import four_blobs


@pytest.mark.parametrize(
    "kind", mostly_slow(["residual", "embedding of integers", "no batch", "boolean output"], ["boolean output"])
)
def test_rows_of_every_kind_that_has_some(kind: str) -> None:
    torch.manual_seed(0)
    exhibit = ZOO[kind]
    program = capture(exhibit.module(), exhibit.example(), exhibit.options.get("dynamic"))
    with few_probes():
        references = References(program, finite_only=True)
        probes = all_probe_inputs(Sampler(program), references.exact, finite_only=True)
    kinds = {batch.kind for batch in reference_batches(references, probes, MOST_BYTES, references.program.run)}
    assert {"rows like the example", "extreme rows"} <= kinds
    assert (BOUNDARY in kinds) == (kind == "boolean output")


def test_several_lengths() -> None:
    program = capture(layer(lambda self, x: x.sum(1)), rows(4, 5), {"x": ("batch", "length")})
    references = References(program, finite_only=True)
    probes = all_probe_inputs(Sampler(program), references.exact, finite_only=True)
    lengths = {
        batch.inputs["x"].shape[1]
        for batch in reference_batches(references, probes, MOST_BYTES, references.program.run)
    }
    assert {1, 64} <= lengths
    assert len(lengths) > 4


def test_no_row_that_overflows_within_an_operation(example_exports: list[Export]) -> None:
    """There ONNX Runtime's versions differ, and a certificate must hold under all of them."""
    made = the_one(example_exports, "onnx")
    assert made.certificate is not None
    compared = np.concatenate([call["x"] for comparison in made.comparisons for call in comparison.probe.calls])
    reference = np.concatenate([batch.inputs["x"] for batch in made.certificate.reference])
    assert np.abs(compared[np.isfinite(compared)]).max() > 9e29
    assert 1e8 < np.abs(reference[np.isfinite(reference)]).max() < 1.8e19
    assert np.isinf(reference).any()
    assert np.isnan(reference).any()


def test_large_rows_are_few() -> None:
    program = capture(layer(lambda self, x: x.sum((1, 2, 3))), torch.randn(2, 3, 32, 32))

    def batches(kinds: int, size: int) -> list[int]:
        probes = [ProbeInputs(str(kind), ({"x": rows(40, 3, size, size).numpy()},)) for kind in range(kinds)]
        return [batch.rows for batch in reference_batches(References(program), probes, MOST_BYTES, program.run)]

    # 48 KiB in base64 for all kinds together: a row of 12 KiB, of 768 bytes, of 48.
    assert batches(3, 32) == [1, 1]
    assert batches(1, 32) == [2]
    assert batches(2, 8) == [23, 23]
    assert batches(1, 2) == [32]


@pytest.mark.slow
def test_large_rows_are_few_in_a_file(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    (made,) = export(module, torch.randn(2, 3, 48, 48), tmp_path / "m.onnx")
    assert made.certificate is not None
    row = 3 * 48 * 48 * 4
    assert all(batch.rows == 1 for batch in made.certificate.reference)
    # A row of each kind, in base64.
    assert len(made.content) < len(made.certificate.reference) * row * 1.5 + 20_000
    assert Predictor(made.path).verify().passed


def test_the_tolerance_is_the_standards(torch_side: References, references: list[ProbeReference]) -> None:
    batches = reference_batches(torch_side, [known.probe for known in references], MOST_BYTES, torch_side.program.run)
    assert len(batches) == len(references)
    for batch in batches:
        reference = torch_side.of_reference_rows(batch.inputs)["probability"]
        with np.errstate(invalid="ignore"):
            rounding = np.nan_to_num(np.abs(batch.expected["probability"] - reference.expected))
        assert batch.tolerance["probability"].dtype == batch.expected["probability"].dtype == np.float32
        assert (batch.tolerance["probability"] >= reference.tolerance).all()
        assert (batch.tolerance["probability"] <= (reference.tolerance + rounding) * (1 + 1e-6)).all()


def test_integers_that_are_open_have_an_infinite_tolerance() -> None:
    program = capture(layer(lambda self, x: x / 3 > x * (1 / 3)), rows(40, 3))
    probes = [ProbeInputs("rows", (program.example,))]
    (batch,) = reference_batches(References(program), probes, MOST_BYTES, program.run)
    assert set(np.unique(batch.tolerance["output"])) == {0.0, np.inf}
    assert batch.expected["output"].dtype == np.bool_


def test_batches_that_the_module_does_not_take_are_not_kept(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Program, "try_run", lambda self, tensors: None)
    probes = [ProbeInputs("rows", (program.example,))]
    assert reference_batches(References(program), probes, MOST_BYTES, program.run) == ()


def test_the_certificate_of_the_example(example_exports: list[Export], trained: Path, model: nn.Module) -> None:
    made = the_one(example_exports, "onnx")
    found = Predictor(made.path).certificate
    assert found is not None
    assert found.hashes["checkpoint"] == hashlib.sha256(trained.read_bytes()).hexdigest()
    assert found.hashes["training_data"] == four_blobs(0).training_sha256 == model.data_sha256
    assert found.hashes["data"] == arrays_sha256({"x": four_blobs(0).train.inputs["x"]})
    assert set(found.versions) == {"edge-predict", "torch", "onnx", "onnxruntime", "opset"}
    assert found.versions["torch"] == torch.__version__
    assert found.versions["edge-predict"] == __version__
    assert [each["kind"] for each in found.comparisons] == [each.probe.kind for each in made.comparisons]
    assert [each["rows"] for each in found.comparisons] == [each.rows for each in made.comparisons]
    assert {batch.kind for batch in found.reference} == {each["kind"] for each in found.comparisons}
    assert found.tolerance_rule.startswith("an element may differ from torch in float64 by 8 times what float32 can ")
    assert len(made.content) < 32 * 1024


def test_the_signature_and_the_weights_are_hashed(program: Program, model: nn.Module) -> None:
    signature = program.signature
    assert signature is not None
    found = certificate(program, (), [], "float32", "rule", None, {"checkpoint": "0"}, 19)
    assert found.versions["opset"] == "19"
    assert found.signature_sha256 == hashlib.sha256(signature.to_json().encode()).hexdigest()
    state = {name: value.numpy() for name, value in sorted(model.state_dict().items())}
    assert (
        found.hashes
        == {"checkpoint": "0", "weights": arrays_sha256(state)}
        == {
            "checkpoint": "0",
            "weights": weights_sha256(program),
        }
    )


def test_hashes_of_arrays() -> None:
    one: dict[str, np.ndarray[Any, Any]] = {"a": np.arange(6.0), "b": np.zeros(2)}
    different: list[Tensors] = [
        {"a": np.arange(6.0), "c": np.zeros(2)},
        {"b": np.zeros(2), "a": np.arange(6.0)},
        {"a": np.arange(6.0).reshape(2, 3), "b": np.zeros(2)},
        {"a": np.arange(6.0).astype(np.float32), "b": np.zeros(2)},
        {"a": np.arange(6.0), "b": np.array([0.0, -0.0])},
    ]
    assert len({arrays_sha256(arrays) for arrays in (one, *different)}) == 6
    strings, others = np.array([["a", "b"]], object), np.array([["a", "c"]], object)
    assert arrays_sha256({"a": strings}) == arrays_sha256({"a": strings.copy()}) != arrays_sha256({"a": others})


# ----------------------------------------------------------------------------------------------------- lower precisions


def test_rows_that_a_lower_precision_changes_most(program: Program) -> None:
    batch = {"x": np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)}
    changes = np.linspace(0, 0.01, 400)
    found = quantized_reference_batch(
        program, program.run, [batch], Change(changes, None), Budget(0.1, 0.05), ["probability"], MOST_BYTES
    )
    assert found.rows <= 64
    assert (found.inputs["x"][:, None] == batch["x"][-32:]).all(axis=2).any(axis=0).all()
    # Twice the largest change, of a probability as it is.
    np.testing.assert_allclose(found.tolerance["probability"], 0.02, rtol=1e-6)
    np.testing.assert_array_equal(found.expected["probability"], program.run(found.inputs)["probability"])
    strict = quantized_reference_batch(
        program, program.run, [batch], Change(changes, None), Budget(0.1, 0.012), [], MOST_BYTES
    )
    largest = np.abs(program.run(batch)["probability"]).max()
    np.testing.assert_allclose(strict.tolerance["probability"], 0.012 * largest, rtol=1e-6)


def test_integers_of_a_lower_precision_must_stay_as_they_were_found() -> None:
    program = capture(layer(lambda self, x: (x, x[:, 0] > 0)), rows())

    def run(tensors: Tensors) -> Tensors:
        outputs = program.run(tensors)
        return {**outputs, "output_1": outputs["output_1"] & (tensors["x"][:, 0] != 7)}

    batch = {"x": np.arange(1, 13, dtype=np.float32).reshape(4, 3)}
    found = quantized_reference_batch(program, run, [batch], Change(np.arange(4.0), None), Budget(1, 1), [], MOST_BYTES)
    changed = found.inputs["x"][:, 0] == 7
    assert changed.sum() == 1
    np.testing.assert_array_equal(found.tolerance["output_1"], np.where(changed, np.inf, 0))


# ----------------------------------------------------------------------------------------------------------- the replay


def test_a_certificate_with_another_string_is_caught(table_exports: list[Export]) -> None:
    proto = onnx.load_from_string(the_one(table_exports, "onnx").content)
    entry = next(entry for entry in proto.metadata_props if entry.key == "edge_predict.certificate")
    plain = json.loads(entry.value)
    assert plain["schema_version"] == 2
    strings = plain["reference"][0]["inputs"]["text"]
    assert strings["dtype"] == "string"
    place = next(place for place, string in enumerate(strings["data"]) if string == "日本")
    strings["data"][place] = "Ünï"
    entry.value = json.dumps(plain, ensure_ascii=False, sort_keys=True)
    assert Certificate.from_json(entry.value).rows
    found = Predictor(proto.SerializeToString()).verify()
    assert not found.passed
    assert any(f"{plain['reference'][0]['kind']}: probability" in problem for problem in found.problems)


def test_without_a_certificate_nothing_else_changes(example_exports: list[Export]) -> None:
    """Any ONNX tool reads the file; the certificate is metadata beside the graph."""
    made = the_one(example_exports, "onnx")
    proto = onnx.load(made.path)
    onnx.checker.check_model(proto, full_check=True)
    outputs = Predictor(made.path).predict_proba([[0.5, -1.0]])
    del proto.metadata_props[1:]
    np.testing.assert_array_equal(Predictor(proto.SerializeToString()).predict_proba([[0.5, -1.0]]), outputs)


def test_each_precision_carries_its_own_certificate(example_exports: list[Export]) -> None:
    for made in example_exports:
        if made.format not in ("onnx", "ort"):
            assert made.certificate is None
            continue
        predictor = Predictor(made.path, device="cpu", verify=True)
        assert predictor.certificate is not None
        assert predictor.certificate.precision == made.precision
        assert (predictor.certificate.budget is None) == (made.precision == Precision.FLOAT32)
        assert not predictor.certificate.comparisons or made.precision == Precision.FLOAT32
