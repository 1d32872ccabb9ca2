"""From a program to proven files: build, compare with torch, certify, and only then put in place."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from edge_export.capture.capture import adopt, capture
from edge_export.capture.diagnostics import cause
from edge_export.capture.program import Program
from edge_export.errors import ExportError
from edge_export.formats.choices import Format, Precision
from edge_export.formats.onnx_file import onnx_bytes, with_metadata
from edge_export.formats.ort_file import ort_bytes
from edge_export.formats.quantization import to_float16, to_int8, to_int8_dynamic
from edge_export.formats.string_inputs import spelled, with_text
from edge_export.formats.torchscript_file import load_torchscript, torchscript_bytes
from edge_export.inputs.data_files import fitted, read_data
from edge_export.inputs.model_files import load_program
from edge_export.options import Options
from edge_export.report.reproduce import write_reproduction
from edge_export.results import Export
from edge_export.tensors import Axes, Run, Tensors, count_rows
from edge_export.verify.certify import (
    arrays_sha256,
    certificate,
    lower_precision_reference_batches,
    reference_batches,
    tolerance_rule,
)
from edge_export.verify.compare import Comparison, ParityError, compare
from edge_export.verify.probe_inputs import Case, Cases
from edge_export.verify.quantization_budget import Budget, Measured, check_budget, measure
from edge_export.verify.reference import CaseReference, References
from edge_export.verify.row_independence import workload
from edge_export.verify.worst_case_search import worst_rows
from edge_runtime import Certificate, InvalidModel, Predictor, Signature
from edge_runtime.contract.atomic_files import make_folder, prepare_file, write_files
from edge_runtime.contract.certificate import seal
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY, WORKLOAD_KEY

_MOST_CALIBRATION_ROWS = 512
_DRAWN_ROWS = 1024


def export(
    module: nn.Module | ExportedProgram,
    example_inputs: Any,
    output: str | Path,
    *,
    dynamic: Mapping[str, Axes] | None = None,
    signature: Signature | None = None,
    **options: Unpack[Options],
) -> list[Export]:
    """Export any module to files that are proven to compute what torch computes.

    All files are built and proven before the first one is put in place.

    Args:
        module: a module of float32 parameters, or what torch.export made of one.
        example_inputs: what the module is called with: a tensor, a tuple of positional arguments, or a dict of
            arguments by name; each may be a tuple, list or dict of tensors. None for an ExportedProgram, which has its
            own.
        output: the ONNX file's path; other files take its name with another ending.
        dynamic: for inputs by name, the names of the axes whose size may change, None where it is fixed:
            {"ids": ("batch", "length")}. The first axis of an input that is not mentioned is the batch.
        signature: what rows and answers mean; the module's own attribute `signature` by default.
        options: see `Options`.

    Raises:
        ExportError: torch cannot export it; the message names the operation or the branch that is the cause.
        ParityError: an exported model does not compute what torch computes.
        BudgetExceeded: a lower precision costs more than it may.
        CannotWrite: a file cannot be written. In all four cases nothing is, and earlier files stay as they were.
        RuntimeNotInstalled: there is no ONNX Runtime to run the exported model with.
    """
    if isinstance(module, ExportedProgram):
        program = adopt(module, signature)
    else:
        program = capture(module, example_inputs, dynamic, signature)
    output = Path(output)
    return _Job(program, output.parent, output.stem, {}, **options).run()


def export_checkpoint(
    checkpoint: Path,
    folder: Path | None = None,
    factory: str | None = None,
    example: Path | None = None,
    dynamic: Mapping[str, Axes] | None = None,
    **options: Unpack[Options],
) -> list[Export]:
    """Export a file to files of its name in `folder`.

    Args:
        checkpoint: a model.pt as `edge_train.save_checkpoint` writes it, or a plain state_dict of a `NeuralNet`; a .pt2
            as torch.export.save writes it; with `factory`, any state_dict.
        folder: where the files go, made if missing; beside the checkpoint if None.
        factory: "package.module:name" of what makes the module that the state_dict is for.
        example: an .npz file of its inputs by name.
        dynamic: as in `export`; with `factory` alone.
        options: see `Options`.

    Raises:
        CheckpointError: `checkpoint` cannot be read.
        others: as `export`.
    """
    program, hashes = load_program(checkpoint, factory, example, dynamic)
    folder = checkpoint.parent if folder is None else folder
    return _Job(program, folder, checkpoint.stem, hashes, source=checkpoint, **options).run()


class _Job:
    """One export of one program."""

    def __init__(
        self,
        program: Program,
        folder: Path,
        stem: str,
        hashes: Mapping[str, str],
        *,
        source: Path | None = None,
        formats: Sequence[str] = (Format.ONNX,),
        precisions: Sequence[str] = (Precision.FLOAT32,),
        data: Mapping[str, Any] | str | Path | None = None,
        budget: Budget | None = None,
        finite_only: bool = False,
        report: str | Path | None = None,
        reproduce: str | Path | None = None,
        note: Callable[[str], None] = warnings.warn,
    ) -> None:
        self.program = program
        self.folder, self.stem = folder, stem
        try:
            self.formats, self.precisions = list(map(Format, formats)), list(map(Precision, precisions))
        except ValueError as error:
            raise ExportError(f"{error}: there are {', '.join(Format)}, and {', '.join(Precision)}") from error
        if not self.formats or not self.precisions:
            raise ExportError("no format or no precision is chosen: nothing would be made")
        if self.formats == [Format.TORCHSCRIPT] and Precision.FLOAT32 not in self.precisions:
            raise ExportError("TorchScript is made in float32 alone; choose another format for a lower precision")
        self.budget, self.finite_only = budget or Budget(), finite_only
        self.report = None if report is None else Path(report)
        self.reproduce = None if reproduce is None else Path(reproduce)
        self.note = note
        self.hashes = dict(hashes)
        self.data: Tensors | None = None
        if isinstance(data, str | Path):
            self.data = read_data(Path(data), program)
        elif data is not None:
            self.data = fitted(data, program, "data")
        if self.data is not None:
            self.hashes["data"] = arrays_sha256(self.data)
        self._check_paths([source, data if isinstance(data, str | Path) else None])

    def _check_paths(self, read: Sequence[str | Path | None]) -> None:
        """Refuse to write over what is read, or the same file twice; and see that the page can be written."""
        written = [self.path(kind, precision) for kind in self.formats for precision in self.precisions]
        if self.report is not None:
            written.append(self.report)
        taken = {Path(path).resolve() for path in read if path is not None}
        for path in written:
            if path.resolve() in taken:
                raise ExportError(f"{path} would be overwritten by this export; rename it or choose another folder")
            taken.add(path.resolve())
        if self.report is not None:
            prepare_file(self.report)

    def path(self, kind: Format, precision: Precision) -> Path:
        """Where a file goes: model.onnx, model.int8.onnx."""
        middle = "" if precision == Precision.FLOAT32 else f".{precision}"
        return self.folder / f"{self.stem}{middle}.{kind}"

    def run(self) -> list[Export]:
        """Build and prove every file, then put them in place."""
        with _one_thread():
            exports = self._build()
        make_folder(self.folder)
        files = {made.path: made.content for made in exports}
        if self.report is not None:
            from edge_export.report.page import write_report  # matplotlib takes a second to import

            files[self.report] = write_report(self.program, exports).encode()
        write_files(files)
        return exports

    def _build(self) -> list[Export]:
        self.references = References(self.program, self.finite_only)
        self.cases = Cases(self.program, self.data, self.finite_only)
        self._check_data()
        self.case_references = self.references.of_cases(self.cases.all(self.references.exact))
        self.workload = workload(self.program, self.references.exact, [known.case for known in self.case_references])
        self.float32 = onnx_bytes(self.program)
        if self.precisions != [Precision.FLOAT32]:
            # What lower precisions are measured against.
            compare(load_onnx(self._front(self.float32)), self.case_references, self.program, "the float32 model")
        kinds = [kind for kind in self.formats if kind != Format.TORCHSCRIPT]
        self.baselines: dict[Format, bytes] = {kind: _built(kind, self._front(self.float32)) for kind in kinds}
        exports: list[Export] = []
        for precision in self.precisions:
            if precision == Precision.FLOAT32:
                made = (self._make_float32(kind) for kind in self.formats)
                exports += [one for one in made if one is not None]
            else:
                exports += self._make_lower(precision, kinds)
        return exports

    def _check_data(self) -> None:
        """See that the module takes the data: what it fails on could not be compared."""
        if self.data is None:
            return
        rows = self.data
        if self.precisions == [Precision.FLOAT32] and self.program.is_batched:
            rows = {name: values[: self.cases.most_rows] for name, values in rows.items()}
        try:
            self.program.run(rows)
        except Exception as error:
            raise ExportError(f"the module itself fails on the data: {cause(error)}") from error

    def _make_float32(self, kind: Format) -> Export | None:
        if kind == Format.TORCHSCRIPT:
            return self._make_torchscript()
        content, path = self.baselines[kind], self.path(kind, Precision.FLOAT32)
        comparisons, searched = self._prove(content, load_onnx(content), path)
        cases = [*(reference.case for reference in self.case_references), *searched]
        reference = reference_batches(self.references, cases)
        proof = certificate(
            self.program, reference, comparisons, Precision.FLOAT32, tolerance_rule(self.references), None, self.hashes
        )
        return self._certified(kind, self.float32, proof, comparisons, None)

    def _certified(
        self,
        kind: Format,
        content: bytes,
        proof: Certificate,
        comparisons: list[Comparison],
        measured: Measured | None,
    ) -> Export:
        """The file of `kind` that is made of the ONNX file `content` on codes, with a certificate that it passes."""
        precision = Precision(proof.precision)
        path = self.path(kind, precision)
        entries = {CERTIFICATE_KEY: proof.to_json()}
        if self.workload is not None:
            # A dynamic precision is scaled by all rows of a call.
            independent = self.workload.independent and precision != Precision.INT8_DYNAMIC
            entries[WORKLOAD_KEY] = replace(self.workload, independent=independent).to_json()
        sealed = seal(_built(kind, with_metadata(self._front(content), entries)))
        predictor = Predictor(sealed, device="cpu", threads=1)
        if not (verification := predictor.verify()).passed:
            raise ExportError(f"{path} does not pass its own certificate: {verification.failure}")
        return Export(path, kind, precision, sealed, comparisons, measured, predictor.certificate)

    def _prove(self, content: bytes, run: Run, path: Path) -> tuple[list[Comparison], list[Case]]:
        """Hold a float32 file against torch on all cases, and on the rows where it does worst, which are given too."""
        searched: list[Case] = []
        try:
            comparisons = compare(run, self.case_references, self.program, str(path))
            # With random numbers of its own, so that a file does not depend on what else is made.
            if (worst := worst_rows(run, self.references, Cases(self.program, self.data, seed=1))) is not None:
                searched.append(worst)
                batches = tuple(self.references.of_batch(batch) for batch in worst.batches)
                comparisons += compare(run, [CaseReference(worst, batches)], self.program, str(path))
        except ParityError as error:
            if self.reproduce is not None and error.comparison.worst is not None:
                name = f"refused{path.suffix}"
                write_reproduction(self.reproduce, self.program, name, content, error.comparison.worst)
            raise
        return comparisons, searched

    def _make_torchscript(self) -> Export | None:
        path = self.path(Format.TORCHSCRIPT, Precision.FLOAT32)
        try:
            content = torchscript_bytes(self.program)
            comparisons, _ = self._prove(content, load_torchscript(content, self.program), path)
        except (ExportError, ParityError) as error:
            # TorchScript is the second format: what it cannot hold does not stop the first.
            if self.formats == [Format.TORCHSCRIPT]:
                raise
            self.note(f"{path} is not made: {error}")
            return None
        return Export(path, Format.TORCHSCRIPT, Precision.FLOAT32, content, comparisons, None, None)

    def _make_lower(self, precision: Precision, kinds: Sequence[Format]) -> list[Export]:
        calibration, test = self._split(precision)
        match precision:
            case Precision.FLOAT16:
                lower = to_float16(self.float32)
            case Precision.INT8_DYNAMIC:
                lower = to_int8_dynamic(self.float32)
            case _:
                lower = to_int8(self.float32, calibration, self.program.signature)
        return [self._make_measured(precision, kind, lower, test) for kind in kinds]

    def _make_measured(self, precision: Precision, kind: Format, lower: bytes, test: list[Tensors]) -> Export:
        content = _built(kind, self._front(lower))
        rows = [spelled(batch, self.program.signature) for batch in test]
        measured = measure(self.baselines[kind], content, rows, self._decide(), self._probabilities())
        change = measured.change
        check_budget(change, self.budget, precision)
        reference = lower_precision_reference_batches(
            self.program, load_onnx(content), test, change, self.budget, self._probabilities()
        )
        proof = certificate(
            self.program,
            reference,
            [],
            precision,
            "an output may be off from torch in float64 by twice the largest change that this precision made on the "
            "rows it was measured on, and by no more than its budget",
            {
                "max_flips": self.budget.flips,
                "max_change": self.budget.change,
                "rows": change.rows,
                "flips": change.flips,
                "change": change.largest,
                "data": "given" if self.data is not None else "drawn",
            },
            self.hashes,
        )
        return self._certified(kind, lower, proof, [], measured)

    def _split(self, precision: Precision) -> tuple[list[Tensors], list[Tensors]]:
        """Calls to calibrate on and others to measure on."""
        if self.data is None:
            if precision == Precision.INT8:
                raise ExportError(
                    "int8 is calibrated on rows like those that the model will meet; give some with --data "
                    "(data=...), or take int8-dynamic"
                )
            if not self.program.is_batched:
                return [], [self.cases.draw() for _ in range(32)]
            return [], [self.cases.draw(min(_DRAWN_ROWS, self.cases.most_rows))]
        if not self.program.is_batched:
            return [self.data], [self.data]
        rows = count_rows(self.data)
        if rows < 2:
            raise ExportError("two rows of data are needed at least: one to calibrate on, one to measure on")
        every_other = np.arange(0, rows, 2)[:_MOST_CALIBRATION_ROWS]
        others = np.arange(1, rows, 2)
        return (
            [{name: values[every_other] for name, values in self.data.items()}],
            [{name: values[others] for name, values in self.data.items()}],
        )

    def _decide(self) -> Callable[[Tensors], Any] | None:
        if (classifier := self.program.classifier) is None:
            return None
        return lambda outputs: classifier.predicted(outputs[classifier.output])

    def _probabilities(self) -> tuple[str, ...]:
        return () if self.program.classifier is None else (self.program.classifier.output,)

    def _front(self, content: bytes) -> bytes:
        """The ONNX file `content` as people get it: what is text there is codes while precisions are converted."""
        return with_text(content, self.program.signature)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread: it sums in the same order on every machine then, and small tensors gain nothing by more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def load_onnx(content: bytes) -> Run:
    """The model in an ONNX or ORT file, as the runtime runs it on the CPU; given codes, it is run on texts."""
    try:
        predictor = Predictor(content, device="cpu", threads=1)
    except InvalidModel as error:
        problem = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise ExportError(f"ONNX Runtime cannot load what was made of this module: {cause(problem)}") from error
    return lambda tensors: predictor.run(spelled(tensors, predictor.signature))


def _built(kind: Format, content: bytes) -> bytes:
    """The file of `kind` that is made of the ONNX file `content`."""
    return ort_bytes(content) if kind == Format.ORT else content
