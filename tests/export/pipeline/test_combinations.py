"""Whatever formats and precisions are chosen, every file is verified, and so is what it is made of."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layers import layer, rows
from onnx import ModelProto

from edge_export import Export, Format, Precision
from edge_export.c_code.files import CCode
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.formats.choices import is_made
from edge_export.options import choose
from edge_export.pipeline import c_files, certified, float32, lower_precision
from edge_export.pipeline import export as pipeline
from edge_export.pipeline.plan import Plan, make_plan
from edge_export.pipeline.reference import Reference, make_reference

ONNX, TORCHSCRIPT, ORT, C, EXTENSION = Format
LOWER = [precision for precision in Precision if precision != Precision.FLOAT32]


def subsets(kinds: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    kinds = list(kinds)
    return itertools.chain.from_iterable(itertools.combinations(kinds, count) for count in range(1, len(kinds) + 1))


COMBINATIONS = [
    (formats, precisions)
    for formats in subsets([ONNX, TORCHSCRIPT, ORT, C])
    for precisions in subsets(Precision)
    if any(is_made(kind, precision) for kind in formats for precision in precisions)
]


@pytest.fixture(scope="module")
def program() -> Program:
    return capture(layer(lambda self, x: self.layer(x)), rows())


@pytest.fixture(scope="module")
def reference(program: Program) -> Reference:
    return make_reference(plan_of(program, [ONNX], [Precision.FLOAT32]))


def plan_of(program: Program, formats: Sequence[str], precisions: Sequence[str]) -> Plan:
    data = {"x": np.ones((4, 3), np.float32)}
    return make_plan(program, Path(), "m", choose({"formats": formats, "precisions": precisions, "data": data}), {})


def without_compilers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let C code be nothing that is compiled."""
    for name, found in {"builds": [()], "sanitized_builds": [()], "load_c": "C", "passes": None, "c_test": ""}.items():
        monkeypatch.setattr(c_files, name, lambda *rest, found=found: found)
    monkeypatch.setattr(c_files, "static_graph", lambda *rest: None)
    in_8_bits = Export(Path("m.int8.c"), C, Precision.INT8, b"", [], None, None)
    monkeypatch.setattr(pipeline, "make_c_in_8_bits", lambda *rest: in_8_bits)
    monkeypatch.setattr(c_files, "c_code", lambda _, __, name: CCode(name, name, "header", "source", (), (), {}, 0))


class Recorder:
    """Stands for the steps of a pipeline; a file is the name of what it was made of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.compared: list[str] = []
        self.searched: list[str] = []
        self.measured: list[tuple[str, str]] = []
        self.certified: list[tuple[str, str]] = []
        self.serialized = 0

        def compare(run: str, references: object, program: object, name: str, *progress: object) -> list[Any]:
            self.compared.append(run)
            return []

        def worst_rows(run: str, *rest: object) -> None:
            self.searched.append(run)

        def serialized(model: ModelProto) -> bytes:
            self.serialized += 1
            return model.producer_name.encode()

        def measure(before: bytes, after: bytes, *rest: object) -> Any:
            self.measured.append((before.decode(), after.decode()))
            return type("Measured", (), {"change": type("Change", (), {"rows": 1, "flips": 0, "largest": 0.0})})

        def certify(
            plan: Plan, kind: Format, onnx: bytes, certificate: Any, workload: object, *rest: Any, **_: Any
        ) -> Any:
            self.certified.append((kind, onnx.decode()))
            return Export(plan.path(kind, Precision(certificate)), kind, Precision(certificate), onnx, [], None, None)

        def lower(name: str) -> Callable[..., ModelProto]:
            return lambda model, *rest: ModelProto(producer_name=name)

        for module in (pipeline, float32):
            monkeypatch.setattr(module, "compare", compare)
        for module in (pipeline, float32, lower_precision):
            monkeypatch.setattr(module, "load_onnx", bytes.decode)
        for module in (float32, lower_precision):
            monkeypatch.setattr(module, "certified", certify)
            monkeypatch.setattr(module, "certificate", lambda *given: given[3])
            monkeypatch.setattr(module, "replace", lambda found, **_: found)
            monkeypatch.setattr(module, "room_for_rows", lambda *rest: 0)
        monkeypatch.setattr(pipeline, "onnx_model", lambda *_, **__: ModelProto(producer_name="float32"))
        monkeypatch.setattr(certified, "serialized", serialized)
        monkeypatch.setattr(certified, "ort_bytes", lambda content: b"ORT " + content)
        monkeypatch.setattr(float32, "worst_rows", worst_rows)
        for module in (c_files, float32):
            monkeypatch.setattr(module, "reference_batches", lambda *rest: ())
        without_compilers(monkeypatch)
        monkeypatch.setattr(float32, "torchscript_bytes", lambda program: b"TorchScript")
        monkeypatch.setattr(float32, "load_torchscript", lambda content, program: content.decode())
        monkeypatch.setattr(lower_precision, "measure", measure)
        monkeypatch.setattr(lower_precision, "check_budget", lambda *rest: None)
        monkeypatch.setattr(lower_precision, "quantized_reference_batch", lambda *rest: None)
        for precision in LOWER:
            monkeypatch.setattr(lower_precision, f"to_{precision.replace('-', '_')}", lower(str(precision)))


def file_of(kind: Format, made_of: str) -> str:
    return {ONNX: made_of, ORT: f"ORT {made_of}", TORCHSCRIPT: "TorchScript", C: "C"}[kind]


@pytest.mark.parametrize(
    ("formats", "precisions"), COMBINATIONS, ids=[",".join(map(str, itertools.chain(*given))) for given in COMBINATIONS]
)
def test_every_file_is_verified(
    monkeypatch: pytest.MonkeyPatch,
    program: Program,
    reference: Reference,
    formats: tuple[Format, ...],
    precisions: tuple[Precision, ...],
) -> None:
    done = Recorder(monkeypatch)
    exports = pipeline._made(plan_of(program, formats, precisions), reference)
    with_certificate = [kind for kind in formats if kind in (ONNX, ORT)]
    lower = [precision for precision in precisions if precision != Precision.FLOAT32]
    in_float32 = [*formats] if Precision.FLOAT32 in precisions else []
    c_in_8_bits = C in formats and Precision.INT8 in precisions

    # Every file that was asked for is made, TorchScript in float32 only, C also with weights in 8 bits.
    expected = {(kind, "float32") for kind in in_float32}
    expected |= {(kind, str(precision)) for kind in with_certificate for precision in lower}
    expected |= {(C, "int8")} if c_in_8_bits else set()
    assert {(made.format, made.precision) for made in exports} == expected
    assert len(exports) == len(expected)

    # A float32 file is compared on all probe inputs, and its worst rows are searched for; all of it once.
    verified = [file_of(kind, "float32") for kind in in_float32]
    # C in 8 bits is measured against C in float32.
    verified += ["C"] * (c_in_8_bits and not in_float32)
    assert sorted(done.searched) == sorted(verified)
    # Lower precisions are made of the float32 model and measured against it, so it is compared in any case.
    alone = bool(lower and with_certificate) and "float32" not in verified
    assert sorted(done.compared) == sorted([*verified, *["float32"] * alone])

    # Each lower precision is measured in each format against the float32 file of that format.
    assert sorted(done.measured) == sorted(
        (file_of(kind, "float32"), file_of(kind, precision)) for kind in with_certificate for precision in lower
    )
    # Certificates are added to the ONNX file that was compared or measured, which is serialized once.
    made_of = ["float32"] * (Precision.FLOAT32 in precisions) + [str(precision) for precision in lower]
    assert sorted(done.certified) == sorted(itertools.product(with_certificate, made_of))
    assert done.serialized == (1 + len(lower) if with_certificate else 0)


def test_all_combinations_are_there() -> None:
    assert len(COMBINATIONS) == 15 * 15 - 7 - 2 * 3
