"""What to make of a module, and how: what the user may choose. Checked before any work, without importing torch."""

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from edge_export.budget import Budget
from edge_export.c_code.wheel import wheel_name
from edge_export.errors import ExportError
from edge_export.formats.choices import FOR_ONNX_RUNTIME, LOWEST_OPSET, Format, Precision, is_made
from edge_export.signing import SigningKey, signed_names
from edge_export.web.page import check_built
from edge_runtime.contract.atomic_files import prepare_file
from edge_runtime.contract.file_locks import check_not_locked
from edge_runtime.contract.labels import Label, checked_labels
from edge_runtime.contract.limits import Limits
from edge_runtime.contract.progress import SILENT, Progress
from edge_runtime.contract.terminal import printable, unreadable
from edge_runtime.signing.bundle import is_file_name
from edge_runtime.signing.trust import ENDING


class Options(TypedDict, total=False):
    """What to make of a module, and how; every entry is optional.

    formats: the files to make: ONNX alone by default.
    precisions: of the ONNX and ORT files: float32 alone by default. C also has weights in int8; the others are
        always float32.
    data: rows like those that the model will meet, as arrays by input (for an input that the signature says holds
        strings: strings, or their codes), or as a file (.npz, CSV, JSON Lines). float32 is compared on them too; lower
        precisions are measured on them, and int8 is calibrated on half of them.
    ranges: the smallest and largest value of inputs that rows are drawn for: (low, high), or such a pair for each place
        on the last axis.
    sampler: called with a numpy Generator and a number of rows, it returns arrays by input, where values depend on each
        other: sorted offsets, lengths, masks. Inputs that it leaves out are drawn as always.
    budget: what a lower precision may cost.
    finite_only: exclude from the comparison what is not finite in torch.
    require_nonfinite: make it an error if a file does not do what torch does for NaN, infinity and numbers that
        overflow; by default that is reported. What a signature says of missing values and of the numbers of a table is
        required always.
    opset: the version of ONNX's operators that the file is written in: 18, the lowest, by default.
    custom_translation_table: for operations of torch, functions of onnxscript that say what they are in ONNX, as
        torch.onnx.export takes them.
    labels: the labels of the classes whose probabilities the module returns, one for each column: for modules of any
        inputs, without a signature of their own. Of several outputs, the one named logits or else the first has them.
    from_logits: the module returns logits; export their softmax, or of a single column the sigmoid.
    limits: how much the files that are read may take; by default `Limits()`.
    report: where to write an HTML page on all of it.
    page: where to write an HTML page that answers in a browser: it holds the ONNX file, in float32 if that is made.
    sign: the private key to sign the files with, in PEM, or a `SigningKey`, as for a key with a passphrase.
    reproduce: a folder for a script that shows a mismatch, if there is one.
    note: called with a line that the user should know although the export goes on; warns by default.
    progress: told what is being done, and how much of it is done.
    """

    formats: Sequence[str]
    precisions: Sequence[str]
    data: Mapping[str, Any] | str | Path
    ranges: Mapping[str, Any]
    sampler: Callable[[Any, int], Mapping[str, Any]] | None
    budget: Budget
    finite_only: bool
    require_nonfinite: bool
    opset: int
    custom_translation_table: Mapping[Any, Any]
    labels: Sequence[Label]
    from_logits: bool
    limits: Limits
    report: str | Path
    page: str | Path
    sign: str | Path | SigningKey
    reproduce: str | Path
    note: Callable[[str], None]
    progress: Progress


@dataclass(frozen=True)
class Choices:
    """The options, complete and without contradictions; see `Options`."""

    formats: tuple[Format, ...]
    precisions: tuple[Precision, ...]
    data: Mapping[str, Any] | Path | None
    ranges: Mapping[str, Any]
    sampler: Callable[[Any, int], Mapping[str, Any]] | None
    budget: Budget
    finite_only: bool
    require_nonfinite: bool
    opset: int
    custom_translation_table: Mapping[Any, Any] | None
    labels: tuple[Label, ...]
    from_logits: bool
    limits: Limits
    report: Path | None
    page: Path | None
    sign: SigningKey | None
    reproduce: Path | None
    note: Callable[[str], None]
    progress: Progress


def choose(options: Options) -> Choices:
    """The choices that `options` make, with the default of everything else.

    Raises:
        ExportError: a format or precision is unknown, the choices contradict each other, or files cannot be signed with
            the key.
        ExtraNotInstalled: the package that signs is missing.
    """
    formats = _members(Format, options.get("formats", (Format.ONNX,)), "format")
    precisions = _members(Precision, options.get("precisions", (Precision.FLOAT32,)), "precision")
    if not any(is_made(kind, precision) for kind in formats for precision in precisions):
        only = "float32 and int8" if formats[0] == Format.C else "float32 only"
        raise ExportError(f"{formats[0]} is made in {only}; choose onnx or ort for another precision")
    if options.get("finite_only") and options.get("require_nonfinite"):
        raise ExportError(
            "what is not finite cannot be both excluded and required; choose --finite (finite_only=True) or "
            "--require-nonfinite (require_nonfinite=True)"
        )
    data = options.get("data")
    if Precision.INT8 in precisions and data is None and set(formats) & set(FOR_ONNX_RUNTIME):
        raise ExportError(
            "int8 is calibrated on rows like those that the model will meet; give some with --data (data=...), or "
            "choose int8-dynamic"
        )
    opset = options.get("opset", LOWEST_OPSET)
    if opset < LOWEST_OPSET:
        raise ExportError(f"opset {opset} is too low; the lowest is {LOWEST_OPSET}")
    labels, from_logits = options.get("labels"), options.get("from_logits", False)
    if from_logits and labels is None:
        raise ExportError("--from-logits (from_logits=True) is for --labels (labels=...)")
    report, page = options.get("report"), options.get("page")
    if page is not None and Format.ONNX not in formats:
        raise ExportError("a page holds the ONNX file; make it too, with --format onnx")
    reproduce, sign = options.get("reproduce"), options.get("sign")
    return Choices(
        formats=formats,
        precisions=precisions,
        data=Path(data) if isinstance(data, str) else data,
        ranges=options.get("ranges", {}),
        sampler=options.get("sampler"),
        budget=options.get("budget", Budget()),
        finite_only=options.get("finite_only", False),
        require_nonfinite=options.get("require_nonfinite", False),
        opset=opset,
        custom_translation_table=options.get("custom_translation_table"),
        labels=() if labels is None else _labels(labels),
        from_logits=from_logits,
        limits=Limits.checked(options.get("limits")),
        report=None if report is None else Path(report),
        page=None if page is None else Path(page),
        sign=SigningKey.read(sign) if isinstance(sign, str | Path) else sign,
        reproduce=None if reproduce is None else Path(reproduce),
        note=options.get("note", warnings.warn),
        progress=options.get("progress", SILENT),
    )


def check_paths(folder: Path, stem: str, choices: Choices, read: Sequence[Path]) -> list[Path]:
    """See that all files in `read` exist, that none is written over, no file is written twice, and that they can be.

    Args:
        folder: where the files go; made if it is missing.
        stem: their name without its endings.
        choices: what is made, and from which data.
        read: the other files that are read.

    Raises:
        ExportError: a file does not exist, has a name that exports have, or would be overwritten; or what a page needs
            is not installed.
        CannotWrite: a folder cannot be made or written in, there is a folder at the path of a file, or another run
            writes one of the files.

    Returns:
        The files that are written.
    """
    for path in read:
        if path.suffix in {f".{kind}" for kind in Format}:
            raise ExportError(
                f"{path} has the name of a file that an export makes; give what it is made from, such as model.pt "
                "(edge-predict runs .onnx and .ort files as they are)"
            )
    if choices.page is not None:
        check_built()
    read = [*read, *([choices.data] if isinstance(choices.data, Path) else [])]
    if choices.sign is not None and choices.sign.path is not None:
        read.append(choices.sign.path)
    for path in read:
        try:
            path.stat()
        except OSError as error:
            raise ExportError(unreadable(path, error)) from error
        if path.is_dir():
            raise ExportError(f"{path} is a folder, not a file")
    written = [
        path
        for kind in choices.formats
        for precision in choices.precisions
        if is_made(kind, precision)
        for path in file_paths(folder, stem, kind, precision)
    ]
    written += [path for path in (choices.report, choices.page) if path is not None]
    if choices.sign is not None:
        written.append(signature_path(folder, stem))
        for file, name in signed_names(signature_path(folder, stem), written).items():
            if not is_file_name(name):
                raise ExportError(
                    f"{printable(file)} cannot be signed; choose a name without backslashes and unprintable characters"
                )
    taken = {os.path.realpath(path) for path in read}
    for path in written:
        if os.path.realpath(path) in taken:
            raise ExportError(f"{path} would be overwritten by this export; rename it or choose another folder")
        taken.add(os.path.realpath(path))
    for path in written:
        prepare_file(path)
    check_not_locked(written)
    return written


def file_paths(folder: Path, stem: str, kind: Format, precision: Precision) -> list[Path]:
    """Where the files of a format and a precision go: model.onnx, model.int8.onnx; model.c, model.h, model_test.c."""
    name = stem if precision == Precision.FLOAT32 else f"{stem}.{precision}"
    match kind:
        case Format.C:
            names = [f"{name}.c", f"{name}.h", f"{name}_test.c"]
        case Format.EXTENSION:
            names = [wheel_name(name)]
        case _:
            names = [f"{name}.{kind}"]
    return [folder / each for each in names]


def signature_path(folder: Path, stem: str) -> Path:
    """Where the signature file of an export goes: model.sig."""
    return folder / f"{stem}{ENDING}"


def stem_of(path: Path) -> str:
    """The name that the files of an export have without their endings: model for model.pt.

    Of weights in several files it is that of their index, model.safetensors.index.json.
    """
    return Path(path.name.removesuffix(".index.json")).stem


def split_factory(factory: str) -> tuple[str, str]:
    """`package.module:name` as the name of the module and that of what is in it.

    Raises:
        ExportError: it is not written so.
    """
    module, _, name = factory.partition(":")
    if not module or not name:
        raise ExportError(f"{factory!r} does not name a module; write it as package.module:name")
    return module, name


def _labels(labels: Iterable[Any]) -> tuple[Label, ...]:
    if isinstance(labels, str):
        raise ExportError(f"labels must be a list of labels, not the string {labels!r}")
    try:
        # numpy's numbers and strings are Python's then.
        return checked_labels([label.item() if hasattr(label, "item") else label for label in labels])
    except (TypeError, ValueError) as error:
        raise ExportError(f"labels: {error}") from error


_Member = TypeVar("_Member", bound=StrEnum)


def _members(kind: type[_Member], names: Sequence[str], what: str) -> tuple[_Member, ...]:
    """The members of `kind` with these names, each once."""
    if isinstance(names, str):
        names = [names]
    try:
        members = tuple(dict.fromkeys(map(kind, names)))
    except ValueError as error:
        raise ExportError(f"{error}; the choices are {', '.join(kind)}") from error
    if not members:
        raise ExportError(f"no {what} is chosen, so that nothing would be made")
    return members
