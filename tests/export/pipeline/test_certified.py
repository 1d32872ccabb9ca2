"""Building a file with its certificate: the bytes that were compared are shipped, and the certificate is replayed."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from exports import the_one
from layers import layer, rows
from onnx_models import to_bytes
from table_module import OnlyStrings, example

from edge_export import Export, ExportError, Format, Precision, export
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.formats.onnx_file import onnx_model, serialized
from edge_export.formats.ort_file import ort_bytes
from edge_export.options import choose
from edge_export.pipeline import float32
from edge_export.pipeline.certified import certified, content_of, onnx_content
from edge_export.pipeline.plan import make_plan
from edge_export.verify.certify import certificate
from edge_runtime import Certificate, Predictor, ReferenceBatch
from edge_runtime.contract.certificate import content_sha256
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY, SIGNATURE_KEY, WORKLOAD_KEY
from edge_runtime.contract.workload import Workload


@pytest.fixture(scope="module")
def program() -> Program:
    return capture(layer(lambda self, x: self.layer(x)), rows())


@pytest.fixture(scope="module")
def content(program: Program) -> bytes:
    return serialized(onnx_model(program))


def certificate_of(program: Program, precision: str = "float32", off: float = 0.0) -> Certificate:
    x = {"x": np.ones((2, 3), np.float32)}
    expected = {"output": program.run(x)["output"] + np.float32(off)}
    batch = ReferenceBatch("rows", x, expected, {"output": np.full((2, 3), 1e-5, np.float32)})
    return certificate(program, (batch,), [], precision, "a rule", None, {}, 18)


def certify(
    program: Program, content: bytes, kind: str = "onnx", workload: Workload | None = None, **changes: float | str
) -> Export:
    plan = make_plan(program, Path("folder"), "m", choose({}), {})
    found = certificate_of(program, **changes)  # type: ignore[arg-type]
    return certified(plan, Format(kind), content, found, workload)


def test_what_was_compared_is_in_the_file_byte_for_byte(program: Program, content: bytes) -> None:
    made = certify(program, content)
    assert made.content.startswith(content)
    assert (made.path, made.format, made.precision) == (Path("folder/m.onnx"), Format.ONNX, Precision.FLOAT32)
    # Behind it is metadata alone.
    behind = onnx.ModelProto.FromString(made.content[len(content) :])
    assert [field.name for field, _ in behind.ListFields()] == ["metadata_props"]
    assert [entry.key for entry in behind.metadata_props] == [CERTIFICATE_KEY]


def test_so_it_is_in_whole_exports(example_exports: list[Export], table_exports: list[Export]) -> None:
    for exports, precision in itertools.product((example_exports, table_exports), Precision):
        made = the_one(exports, "onnx", precision)
        model = onnx.load_from_string(made.content)
        kept = [entry for entry in model.metadata_props if entry.key not in (CERTIFICATE_KEY, WORKLOAD_KEY)]
        assert [entry.key for entry in kept] == [SIGNATURE_KEY]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)
        assert made.content.startswith(to_bytes(model))


def test_the_run_that_is_compared_is_of_these_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[bytes] = []
    load = float32.load_onnx  # type: ignore[attr-defined]

    def load_onnx(content: bytes) -> object:
        loaded.append(content)
        return load(content)

    monkeypatch.setattr(float32, "load_onnx", load_onnx)
    module = OnlyStrings()
    made, in_ort = export(module, example(module), tmp_path / "m.onnx", formats=["onnx", "ort"])
    compared, compared_in_ort = loaded
    assert made.content.startswith(compared)
    # The graph of an ORT file is that of the ONNX file, with the same metadata or with more.
    assert compared_in_ort == ort_bytes(compared)
    assert in_ort.content == in_ort.path.read_bytes()
    graphs = [Predictor(content).run({"text": [["a b", "1", "b"]]}) for content in (in_ort.content, compared_in_ort)]
    np.testing.assert_array_equal(*(graph["probability"] for graph in graphs))


def test_the_hash_is_of_the_file(program: Program, content: bytes) -> None:
    made = certify(program, content)
    assert made.certificate is not None
    assert made.certificate.content_sha256 == content_sha256(made.content)
    assert set(made.certificate.content_sha256) != {"0"}


@pytest.mark.parametrize("kind", ["onnx", "ort"])
def test_a_file_that_does_not_pass_its_own_certificate(program: Program, content: bytes, kind: str) -> None:
    certify(program, content, kind)
    with pytest.raises(ExportError) as raised:
        certify(program, content, kind, off=1e-3)
    assert str(raised.value).startswith(
        f"folder/m.{kind} does not pass its own certificate: not verified on CPUExecutionProvider: rows: output"
    )


@pytest.mark.parametrize(
    ("precision", "independent"),
    [("float32", True), ("float16", True), ("int8", True), ("int8-dynamic", False)],
)
def test_a_dynamic_precision_depends_on_all_rows_of_a_call(
    program: Program, content: bytes, precision: str, independent: bool
) -> None:
    workload = Workload(True, 12.0, 64)
    made = certify(program, content, workload=workload, precision=precision)
    written = Predictor(made.content)._runner.placement.main.metadata[WORKLOAD_KEY]
    assert Workload.from_json(written) == replace(workload, independent=independent)
    apart = certify(program, content, workload=replace(workload, independent=False), precision=precision)
    assert not Workload.from_json(Predictor(apart.content)._runner.placement.main.metadata[WORKLOAD_KEY]).independent


def test_no_workload_is_written_without_a_batch(program: Program, content: bytes) -> None:
    assert WORKLOAD_KEY not in Predictor(certify(program, content).content)._runner.placement.main.metadata


def test_precisions_of_whole_exports(table_exports: list[Export]) -> None:
    for made in table_exports:
        if made.certificate is not None:
            workload = Workload.from_json(Predictor(made.path)._runner.placement.main.metadata[WORKLOAD_KEY])
            assert workload.independent == (made.precision != Precision.INT8_DYNAMIC)


def test_contents_of_both_kinds(program: Program, content: bytes) -> None:
    plan = make_plan(program, Path(), "m", choose({}), {})
    assert onnx_content(onnx_model(program), plan) == content
    assert content_of(Format.ONNX, content) is content
    in_ort = content_of(Format.ORT, content)
    assert isinstance(in_ort, bytes)
    assert in_ort[4:8] == b"ORTM"
