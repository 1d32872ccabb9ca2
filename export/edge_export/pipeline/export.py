"""`export` and `export_checkpoint`: everything is built and verified before the first file is put in place."""

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import torch
from torch import nn
from torch.export import ExportedProgram

from edge_export.capture.capture import adopt, capture
from edge_export.capture.classes import Classes
from edge_export.errors import ExportError
from edge_export.formats.choices import FOR_ONNX_RUNTIME, Format, Precision, is_made
from edge_export.formats.external_data import Content, data_path, needs_data_file
from edge_export.formats.onnx_file import load_onnx, onnx_model
from edge_export.inputs.model_files import load_program
from edge_export.options import Choices, Options, check_paths, choose, signature_path, stem_of
from edge_export.pipeline.c_files import make_c, make_extension, verified_code
from edge_export.pipeline.c_in_8_bits import make_c_in_8_bits
from edge_export.pipeline.certified import content_of, onnx_content
from edge_export.pipeline.float32 import make_float32, make_torchscript
from edge_export.pipeline.lower_precision import make_lower_precision
from edge_export.pipeline.plan import Plan, make_plan
from edge_export.pipeline.reference import Reference, make_reference
from edge_export.results import Export
from edge_export.tensors import Axes
from edge_export.verify.compare import compare
from edge_export.verify.lookup_trials import input_ranges
from edge_export.web.page import write_page
from edge_runtime.contract.atomic_files import folder_beside, write_files
from edge_runtime.contract.file_locks import locked
from edge_runtime.contract.metadata_keys import RANGES_KEY
from edge_runtime.contract.signature import Signature


def export(
    module: nn.Module | ExportedProgram,
    example_inputs: Any,
    output: str | Path,
    *,
    dynamic: Mapping[str, Axes] | None = None,
    signature: Signature | None = None,
    **options: Unpack[Options],
) -> list[Export]:
    """Export any module to files that are verified to compute what torch computes.

    All files are built and verified before the first one is put in place.

    Args:
        module: any module, or the ExportedProgram that torch.export made of one.
        example_inputs: what the module is called with: a tensor, a tuple of positional arguments, or a dict of
            arguments by name; each may be a tuple, list, dict or dataclass of tensors. None for an ExportedProgram,
            which has its own.
        output: the path of the ONNX file; other files have its name with another ending.
        dynamic: for inputs by name, the names of the axes whose size may change, None for an axis of fixed size:
            {"ids": ("batch", "length")}. The first axis of an input that is not mentioned is the batch.
        signature: what rows and answers mean; the module's own attribute `signature` by default.
        options: see `Options`.

    Raises:
        ExportError: torch cannot export it; the message names the operation or the branch that is the cause.
        ParityError: an exported model does not compute what torch computes.
        BudgetExceeded: a lower precision costs more than its budget.
        CannotWrite: a file cannot be written, or another export writes it at the moment. In all four cases nothing is
            written, and earlier files stay as they were.
        RuntimeNotInstalled: there is no ONNX Runtime to run the exported model with.
    """
    choices, path = choose(options), Path(output)
    with locked(check_paths(path.parent, path.stem, choices, [])):
        choices.progress.begin("capturing the module")
        if isinstance(module, ExportedProgram):
            program = adopt(module, signature, _classes(choices))
        else:
            program = capture(module, example_inputs, dynamic, signature, _classes(choices))
        return _put_in_place(make_plan(program, path.parent, path.stem, choices, {}))


def export_checkpoint(
    checkpoint: str | Path,
    folder: str | Path | None = None,
    factory: str | None = None,
    example: str | Path | None = None,
    dynamic: Mapping[str, Axes] | None = None,
    **options: Unpack[Options],
) -> list[Export]:
    """Export a file to files of its name in `folder`.

    Args:
        checkpoint: a model.pt as `edge_train.save_checkpoint` writes it, or a plain state_dict of a `NeuralNet`; a .pt2
            as torch.export.save writes it; with `factory`, any file of weights.
        folder: where the files go, made if missing; beside the checkpoint if None.
        factory: "package.module:name" of what makes the module that the weights are for.
        example: an .npz file of its inputs by name.
        dynamic: as in `export`; with `factory` only.
        options: see `Options`.

    Raises:
        CheckpointError: `checkpoint` cannot be read.
        others: as `export`.
    """
    choices = choose(options)
    checkpoint = Path(checkpoint)
    folder = checkpoint.parent if folder is None else Path(folder)
    example = None if example is None else Path(example)
    read = [checkpoint, *([] if example is None else [example])]
    with locked(check_paths(folder, stem_of(checkpoint), choices, read)):
        choices.progress.begin(f"loading {checkpoint.name}")
        program, hashes = load_program(
            checkpoint, factory, example, dynamic, choices.note, _classes(choices), choices.limits
        )
        return _put_in_place(make_plan(program, folder, stem_of(checkpoint), choices, hashes))


def _classes(choices: Choices) -> Classes | None:
    return Classes(choices.labels, choices.from_logits) if choices.labels else None


def _put_in_place(plan: Plan) -> list[Export]:
    """Build and verify every file of `plan`, then write them all."""
    for note in plan.program.notes:
        plan.choices.note(note)
    with _folder_for_data(plan) as folder:
        with _one_thread():
            exports = _made(plan, make_reference(plan), folder)
        files: dict[Path, bytes | Path] = {}
        for made in exports:
            files |= {made.path: made.content, **made.beside}
        if plan.choices.report is not None:
            from edge_export.report.page import write_report  # matplotlib takes a second to import

            plan.choices.progress.begin(f"writing {plan.choices.report.name}")
            report = write_report(plan.program, exports, plan.choices.budget, plan.data is not None)
            files[plan.choices.report] = report.encode()
        if plan.choices.page is not None:
            plan.choices.progress.begin(f"writing {plan.choices.page.name}")
            files[plan.choices.page] = _page(plan, exports)
        # Before the files that refer to them.
        before = {made.path.with_name(made.data.name): made.data for made in exports if made.data is not None}
        files = {**before, **_signature(plan, {**before, **files}), **files}
        write_files(files)
    return [made if made.data is None else replace(made, data=made.path.with_name(made.data.name)) for made in exports]


def _page(plan: Plan, exports: Sequence[Export]) -> bytes:
    """The page of the ONNX file: in float32, else in the first lower precision."""
    made = min((made for made in exports if made.format == Format.ONNX), key=lambda made: made.precision != "float32")
    return write_page(made.content, made.path.name, plan.program.signature)


def _signature(plan: Plan, files: Mapping[Path, bytes | Path]) -> dict[Path, bytes]:
    """The signature file of `files` by its path, if they are to be signed."""
    key, path = plan.choices.sign, signature_path(plan.folder, plan.stem)
    if key is None:
        if path.exists():
            plan.choices.note(f"{path} is of earlier files; sign these with --sign (sign=...), or delete it")
        return {}
    plan.choices.progress.begin(f"writing {path.name}")
    return {path: key.signature_file(path, files)}


@contextlib.contextmanager
def _folder_for_data(plan: Plan) -> Iterator[Path | None]:
    """A folder for the data file of a model that is too large for one file, where it can be moved into place from.

    Raises:
        ExportError: a file of `plan` cannot hold so large a model.
        CannotWrite: it cannot be made.
    """
    choices = plan.choices
    if choices.formats == (Format.TORCHSCRIPT,) or not needs_data_file(plan.program):
        yield None
        return
    if choices.page is not None:
        raise ExportError("the model is larger than 2 GiB, too large for a page; export it without --page (page=...)")
    others = [
        *({Format.ORT, Format.C, Format.EXTENSION} & set(choices.formats)),
        *(set(choices.precisions) - {Precision.FLOAT32}),
    ]
    if others:
        raise ExportError(f"the model is larger than 2 GiB, too large for {others[0]}; export it as onnx in float32")
    with folder_beside(data_path(plan.path(Format.ONNX, Precision.FLOAT32))) as folder:
        yield folder


def _made(plan: Plan, reference: Reference, folder: Path | None = None) -> list[Export]:
    """Every file of `plan`, built and verified; `folder` is for the data file of a large model."""
    choices = plan.choices
    if choices.formats == (Format.TORCHSCRIPT,):
        made = make_torchscript(plan, reference)
        return [] if made is None else [made]
    data = None if folder is None else folder / data_path(plan.path(Format.ONNX, Precision.FLOAT32)).name
    model = onnx_model(
        plan.program, choices.opset, choices.custom_translation_table, data, carries_nan=choices.require_nonfinite
    )
    if (ranges := input_ranges(plan.program, reference.sampler.lookups)) is not None:
        model.metadata_props.add(key=RANGES_KEY, value=ranges.to_json())
    # Serialized once: what is compared with torch is what is shipped.
    kinds = [kind for kind in choices.formats if kind in FOR_ONNX_RUNTIME]
    onnx = onnx_content(model, plan, data) if kinds else b""
    float32: dict[Format, Content] = {kind: content_of(kind, onnx) for kind in kinds}
    is_compared = Format.ONNX in kinds and Precision.FLOAT32 in choices.precisions
    if kinds and not is_compared and choices.precisions != (Precision.FLOAT32,):
        # Lower precisions are made of it and measured against it, although it is not one of the files.
        choices.progress.begin("verifying the float32 model", reference.calls)
        compare(load_onnx(onnx), reference.probes, plan.program, "the float32 model", choices.progress)
    exports: list[Export] = []
    # Made once, if at all.
    code = functools.cache(lambda: verified_code(plan, reference, model))
    for precision in choices.precisions:
        if precision != Precision.FLOAT32:
            exports += make_lower_precision(plan, reference, model, float32, precision) if kinds else []
            if Format.C in choices.formats and is_made(Format.C, precision):
                exports.append(make_c_in_8_bits(plan, reference, model, code()))
            continue
        for kind in choices.formats:
            if kind in float32:
                exports.append(make_float32(plan, reference, kind, onnx, float32[kind]))
            elif kind == Format.C:
                exports.append(make_c(plan, code()))
            elif kind == Format.EXTENSION:
                exports.append(make_extension(plan, reference, code()))
            elif (made := make_torchscript(plan, reference)) is not None:
                exports.append(made)
    return exports


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread: it sums in the same order on every machine then, and small tensors gain nothing by more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
