"""Building a file with its certificate, and replaying the certificate on it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from onnx import ModelProto

from edge_export.errors import ExportError
from edge_export.formats.choices import Format, Precision
from edge_export.formats.external_data import Content, WithData
from edge_export.formats.onnx_file import opened, serialized, with_metadata
from edge_export.formats.ort_file import ort_bytes
from edge_export.formats.string_inputs import with_string_inputs
from edge_export.pipeline.plan import Plan
from edge_export.results import Export
from edge_export.verify.comparison import Comparison
from edge_export.verify.quantization_budget import Measured
from edge_runtime import CannotWrite, Certificate
from edge_runtime.contract.certificate import seal
from edge_runtime.contract.data_file import finished
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY, WORKLOAD_KEY
from edge_runtime.contract.workload import Workload


def onnx_content(model: ModelProto, plan: Plan, data: Path | None = None) -> Content:
    """The ONNX file of a model that takes codes: with string inputs if the signature has any, without a certificate.

    Args:
        model: the model.
        plan: what it is made for.
        data: the data file that its weights were written to, if any.

    Raises:
        CannotWrite: the data file cannot be completed.
    """
    content = serialized(with_string_inputs(model, plan.program.signature, data))
    if data is None:
        return content
    try:
        return WithData(content, data, finished(data))
    except OSError as error:
        raise CannotWrite(f"{data} cannot be written: {error.strerror}") from error


def content_of(kind: Format, onnx: Content) -> Content:
    """The file of `kind` that is made of the ONNX file `onnx`; ONNX alone may have a data file."""
    return ort_bytes(onnx) if kind == Format.ORT and isinstance(onnx, bytes) else onnx


def certified(
    plan: Plan,
    kind: Format,
    onnx: Content,
    certificate: Certificate,
    workload: Workload | None,
    comparisons: Sequence[Comparison] = (),
    measured: Measured | None = None,
) -> Export:
    """The file of `kind` that is made of the ONNX file `onnx`, with a certificate that it passes.

    Args:
        plan: what it is made for.
        kind: ONNX or ORT.
        onnx: the file that was compared or measured, without a certificate.
        certificate: what was found.
        workload: what a row takes; None if the program has no batch.
        comparisons: how it did against torch.
        measured: what a lower precision costs and gives.

    Raises:
        ExportError: the file does not pass its own certificate.
    """
    precision = Precision(certificate.precision)
    path = plan.path(kind, precision)
    entries = {CERTIFICATE_KEY: certificate.to_json()}
    if workload is not None:
        # A dynamic precision is scaled by all rows of a call.
        independent = workload.independent and precision != Precision.INT8_DYNAMIC
        entries[WORKLOAD_KEY] = replace(workload, independent=independent).to_json()
    content = content_of(kind, with_metadata(onnx, entries))
    if isinstance(content, bytes):
        sealed: Content = seal(content)
    else:
        sealed = replace(content, model=seal(content.model, content.data))
    # A large file is held as few times as can be.
    del content
    predictor = opened(sealed)
    if not (verification := predictor.verify()).passed:
        raise ExportError(f"{path} does not pass its own certificate: {verification.failure}")
    file, data = (sealed, None) if isinstance(sealed, bytes) else (sealed.model, sealed.data)
    return Export(path, kind, precision, file, comparisons, measured, predictor.certificate, data)
