"""The certificate: what torch computed with the same weights, carried by the artifact so that it can be verified.

Export writes it into the artifact's metadata as JSON, and the runtime reads it back to replay it: inputs, torch's
outputs, and the tolerance of each element. Schema version 1; `contract.reference_arrays` has the arrays:

    {"schema_version": 1,
     "precision": "float32",
     "tolerance_rule": "each element may be off by ...",
     "reference": [{"kind": "rows like the training data",
                 "inputs": {"x": {"dtype": "float32", "shape": [1, 2], "data": "AACAvwAAgD8="}},
                 "expected": {"probability": {...}},
                 "tolerance": {"probability": {...}}}, ...],
     "comparisons": [{"kind": "rows like the training data", "rows": 9270, "error": 2.0e-7, ...}, ...],
     "budget": null,
     "versions": {"torch": "2.13.0", "onnxruntime": "1.32.0", ...},
     "hashes": {"checkpoint": "<64 hex digits>", ...},
     "signature_sha256": "<64 hex digits>",
     "content_sha256": "<64 hex digits>"}

Schema version 2 adds arrays of strings. Version 3 adds rows that are generated, outputs of which some elements are
compared, and arrays that are stored in another type and shape.

`content_sha256` is the hash of the whole file, with its own 64 digits taken as zeros, and of its data file behind it,
if it has one (`contract.data_file`). `seal` writes it once the rest of the file is complete. It shows that a file was
damaged or edited. It is not a cryptographic signature: an edited file can be sealed again.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract import schema
from edge_runtime.contract.data_file import blocks
from edge_runtime.contract.errors import InvalidModel
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.reference_arrays import (
    Generated,
    Selected,
    check_batches,
    check_reference,
    plain_array,
    plain_generated,
    read_array,
    read_generated,
    read_selected,
)

SCHEMA_VERSION = 3

_PARTS = ("inputs", "expected", "tolerance")
_UNSEALED = "0" * 64
_SEAL = re.compile(rb'"content_sha256": "[0-9a-f]{64}"')
_OPEN_SEAL = f'"content_sha256": "{_UNSEALED}"'.encode()


# Without __eq__: numpy compares arrays element by element. Equal certificates have equal JSON.
@dataclass(frozen=True, eq=False)
class ReferenceBatch:
    """Reference rows: inputs, and torch's outputs for them.

    Attributes:
        kind: the kind of rows, such as "rows like the training data".
        inputs: the input tensors by name, with the types and shapes that the model declares.
        expected: torch's outputs by name.
        tolerance: the largest error that each element may have, by output name: float32, the shape of `expected`, zero
            or more. For integers and booleans it is 0 if the element must be the same, and infinity if float32 cannot
            decide it.
        generated: the rules for those inputs that the certificate does not store.
        selected: for each output of which only some elements are compared, which they are; `expected` and `tolerance`
            have the shape (elements,) then.
    """

    kind: str
    inputs: Mapping[str, npt.NDArray[Any]]
    expected: Mapping[str, npt.NDArray[Any]]
    tolerance: Mapping[str, npt.NDArray[np.float32]]
    generated: Mapping[str, Generated] = field(default_factory=dict)
    selected: Mapping[str, Selected] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows it holds: the first dimension of its inputs, or 1 if all inputs are scalars."""
        return max((array.shape[0] for array in self.inputs.values() if array.ndim), default=1)

    def plain(self, compact: bool) -> dict[str, Any]:
        """This batch in plain Python types; `compact` as in schema version 3.

        Raises:
            TypeError, ValueError: see `Certificate.to_json`.
        """
        plain: dict[str, Any] = {"kind": self.kind}
        for part in _PARTS:
            plain[part] = {
                name: plain_generated(array, self.generated[name])
                if part == "inputs" and name in self.generated
                else plain_array(array, compact)
                for name, array in getattr(self, part).items()
            }
        if self.selected:
            plain["selected"] = {
                name: {"shape": list(one.shape), "stride": one.stride} for name, one in self.selected.items()
            }
        return plain

    def __repr__(self) -> str:
        return f"ReferenceBatch({self.kind!r}, {self.rows} rows)"


@dataclass(frozen=True, eq=False)
class Certificate:
    """How an artifact was verified at export, and what is needed to verify it elsewhere.

    Attributes:
        precision: the arithmetic of the weights: "float32", "float16", "int8" or "int8-dynamic".
        tolerance_rule: where the tolerances come from, in one sentence.
        reference: the reference rows that a replay runs and compares.
        comparisons: the results of the verification at export, in plain values: one object for each kind of rows.
        budget: for lower precisions, what they may cost and what they do cost, in plain values; None for float32.
        versions: the versions of what made the artifact, by name: torch, onnxruntime, opset, edge-predict.
        hashes: the SHA-256 of what it was made from, by name: checkpoint, data.
        signature_sha256: the SHA-256 of the signature's JSON; None if the artifact has no signature.
        content_sha256: the SHA-256 of the file that carries the certificate; zeros until `seal` writes it.
    """

    precision: str
    tolerance_rule: str
    reference: tuple[ReferenceBatch, ...]
    comparisons: tuple[Mapping[str, Any], ...]
    budget: Mapping[str, Any] | None
    versions: Mapping[str, str]
    hashes: Mapping[str, str]
    signature_sha256: str | None
    content_sha256: str = _UNSEALED

    @property
    def rows(self) -> int:
        """How many reference rows it holds."""
        return sum(batch.rows for batch in self.reference)

    @property
    def _schema_version(self) -> int:
        """The oldest schema that can express this certificate, so that older versions can read it."""
        if any(batch.generated or batch.selected for batch in self.reference):
            return 3
        arrays = (array for batch in self.reference for part in _PARTS for array in getattr(batch, part).values())
        return 2 if any(array.dtype == np.object_ for array in arrays) else 1

    def summary(self) -> dict[str, Any]:
        """This certificate in plain Python types, with the kind and the number of rows of each reference batch."""
        return {
            **vars(self),
            "schema_version": self._schema_version,
            "reference": [{"kind": batch.kind, "rows": batch.rows} for batch in self.reference],
        }

    def to_json(self) -> str:
        """The JSON that an artifact carries under `CERTIFICATE_KEY`. Equal certificates give equal JSON.

        Raises:
            TypeError, ValueError: a value is not plain or not finite, an array has a type that a certificate cannot
                hold, or an array of objects holds something other than strings that UTF-8 can encode.
        """
        reference = [batch.plain(compact=self._schema_version > 2) for batch in self.reference]
        # In ASCII: ONNX Runtime's Java cuts the text of metadata short at a character beyond U+FFFF.
        return json.dumps({**self.summary(), "reference": reference}, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, limits: Limits = DEFAULTS) -> "Certificate":
        """The certificate in `text`, as `to_json` wrote it.

        Raises:
            InvalidModel: it is not a certificate, its schema is newer than this version reads, or it has more batches
                of reference rows than `limits` allow.
        """
        # Each batch has one. To parse a text with too many would take seconds.
        check_batches(text.count('"inputs"'), limits)
        with schema.reading("the certificate"):
            # JSON has neither NaN nor infinity: only arrays hold them.
            document = schema.checked(schema.parsed(text, _loads), SCHEMA_VERSION, "the certificate")
            check_reference(document["reference"], limits)
            return _read(document)

    def __repr__(self) -> str:
        kinds = len({batch.kind for batch in self.reference})
        return f"Certificate({self.precision}, {self.rows} reference rows of {kinds} kinds)"


def seal(content: bytes, data: Path | None = None) -> bytes:
    """`content` with its hash in the certificate.

    Args:
        content: the content of an .onnx or .ort file that carries one certificate, sealed or not.
        data: the data file of the model, if it has one.

    Raises:
        InvalidModel: it does not carry a certificate, or carries more than one.
    """
    digest = content_sha256(content, data)
    if digest is None:
        raise InvalidModel("the file must carry exactly one certificate to be sealed; export the model again")
    return _SEAL.sub(f'"content_sha256": "{digest}"'.encode(), content)


def content_sha256(model: bytes | Path, data: Path | None = None) -> str | None:
    """The SHA-256 of a model's file, with the 64 digits of the hash in its certificate taken as zeros.

    Args:
        model: an .onnx or .ort file, or its content.
        data: its data file, if it has one: its bytes follow those of `model`.

    Returns:
        64 hex digits; None if the file does not carry a certificate, or carries more than one.

    Raises:
        OSError: a file cannot be read.
    """
    digest, seals, rest = hashlib.sha256(), 0, b""
    for block in blocks(model):
        rest, found = _SEAL.subn(_OPEN_SEAL, rest + block if rest else block)
        seals += found
        # A seal may begin in what is kept back and end in the next block.
        whole = max(0, len(rest) - len(_OPEN_SEAL) + 1)
        digest.update(memoryview(rest)[:whole])
        rest = rest[whole:]
    digest.update(rest)
    if seals != 1:
        return None
    for block in blocks(data) if data is not None else ():
        digest.update(block)
    return digest.hexdigest()


def _read(plain: Mapping[str, Any]) -> Certificate:
    signature_sha256 = plain["signature_sha256"]
    return Certificate(
        precision=schema.text(plain["precision"]),
        tolerance_rule=schema.text(plain["tolerance_rule"]),
        reference=tuple(_reference_batch(batch) for batch in plain["reference"]),
        comparisons=tuple(map(_object, plain["comparisons"])),
        budget=None if plain["budget"] is None else _object(plain["budget"]),
        versions=_strings(plain["versions"]),
        hashes=_strings(plain["hashes"]),
        signature_sha256=None if signature_sha256 is None else schema.text(signature_sha256),
        content_sha256=schema.text(plain["content_sha256"]),
    )


def _reference_batch(plain: Mapping[str, Any]) -> ReferenceBatch:
    inputs, expected, tolerance = (_arrays(plain[part]) for part in _PARTS)
    if not expected or expected.keys() != tolerance.keys():
        raise ValueError(f"it has outputs {sorted(expected)}, and tolerances for {sorted(tolerance)}")
    for name, values in tolerance.items():
        if values.dtype != np.float32 or values.shape != expected[name].shape:
            raise ValueError(f"the tolerance of {name} is not float32 or does not have its shape")
        if not (values >= 0).all():
            raise ValueError(f"the tolerance of {name} is not zero or more")
    generated = {
        name: read_generated(array["generated"], inputs[name].dtype)
        for name, array in plain["inputs"].items()
        if "generated" in array
    }
    selected = {}
    for name, selection in _object(plain.get("selected", {})).items():
        if expected[name].ndim != 1:
            raise ValueError(f"the selected elements of {name} are not in one row")
        selected[name] = read_selected(selection, len(expected[name]))
    return ReferenceBatch(schema.text(plain["kind"]), inputs, expected, tolerance, generated, selected)


def _arrays(plain: object) -> dict[str, npt.NDArray[Any]]:
    return {name: read_array(array) for name, array in _object(plain).items()}


def _object(plain: object) -> dict[str, Any]:
    if not isinstance(plain, dict):
        raise TypeError(f"{plain!r} is not an object")
    return plain


def _strings(plain: object) -> dict[str, str]:
    return {name: schema.text(value) for name, value in _object(plain).items()}


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number} is not a finite number")
    return value
