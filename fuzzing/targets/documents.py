"""The JSON documents in an artifact's metadata, and what reads the bytes around them."""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np

from edge_runtime import EdgePredictError
from edge_runtime.contract import certificate as certificates
from edge_runtime.contract.certificate import Certificate
from edge_runtime.contract.data_file import DataFile, data_file_in
from edge_runtime.contract.errors import InvalidModel
from edge_runtime.contract.file_signature import signature_in
from edge_runtime.contract.input_ranges import InputRanges, ranges_in
from edge_runtime.contract.metadata_keys import DATA_KEY, RANGES_KEY, SIGNATURE_KEY, WORKLOAD_KEY
from edge_runtime.contract.reference_arrays import read_array
from edge_runtime.contract.signature import Signature
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.workload import Workload, has_small_rows
from edge_runtime.novelty import Novelty
from fuzzing.models import metadata_of_models
from fuzzing.mutations import mutated_json
from fuzzing.target import Check, Target, expect


class _Document(Protocol):
    def to_json(self) -> str: ...


_Read = TypeVar("_Read", bound=_Document)


def _reread(read: Callable[[str], _Read], data: bytes) -> _Read:
    """The document in `data`, which is written and read again."""
    document = read(data.decode(errors="replace"))
    text = document.to_json()
    text.encode()
    expect(read(text).to_json() == text, "what was read is not what is written")
    return document


def _signature(data: bytes) -> None:
    signature = _reread(Signature.from_json, data)
    repr((signature, signature.features, signature.inputs))
    expect(len(signature.feature_names) == len(signature.features), "there are more names than features")
    for tensor in signature.inputs:
        repr((tensor.kinds, tensor.feature_names, tensor.holds_strings, [one.spellings for one in tensor.features]))
        repr([one.notation.example for one in tensor.features if one.notation is not None])
    columns = len(signature.labels) if signature.task == "multiclass_classification" else 1
    numbers = np.zeros((2, columns), np.float32)
    if signature.task != "regression":
        expect(signature.predicted(numbers).shape == (2,), "there is no label for each row")
    if signature.has_features:
        Novelty(signature).unseen(
            {
                tensor.name: np.full((2, tensor.feature_count), "a", object)
                if tensor.holds_strings
                else np.zeros((2, tensor.feature_count), np.int64 if tensor.holds_dates else np.float32)
                for tensor in signature.inputs
            }
        )
    specs = [TensorSpec(tensor.name, "tensor(float)", ("batch", tensor.feature_count)) for tensor in signature.inputs]
    signature_in(
        {SIGNATURE_KEY: data.decode(errors="replace")},
        specs,
        [TensorSpec(signature.output, "tensor(float)", (None, 1))],
    )


def _certificate(data: bytes) -> None:
    certificate = _reread(Certificate.from_json, data)
    repr((certificate, certificate.reference, certificate.summary(), certificate.rows))
    for batch in certificate.reference:
        for name, selected in batch.selected.items():
            expect(
                len(set(selected.places(len(batch.expected[name])).tolist())) == len(batch.expected[name]),
                "a place comes twice",
            )


def _seal(data: bytes) -> None:
    """Any bytes: as those of a model, or of its end."""
    has_small_rows(data)
    digest = certificates.content_sha256(data)
    expect(digest is None or len(digest) == len(hashlib.sha256().hexdigest()), "it is not a hash")
    if digest is not None:
        sealed = certificates.seal(data)
        expect(certificates.content_sha256(sealed) == digest, "sealing has changed what is hashed")
    data_file_in(data)


def _workload(data: bytes) -> None:
    _reread(Workload.from_json, data)


def _data_file(data: bytes) -> None:
    entry = _reread(DataFile.from_json, data)
    expect("/" not in entry.name and "\0" not in entry.name, "the data file may be in another folder")


_SPECS = (
    TensorSpec("codes", "tensor(int64)", ("batch", 2)),
    TensorSpec("x", "tensor(float)", ("batch", "time")),
)


def _ranges(data: bytes) -> None:
    _reread(InputRanges.from_json, data)
    ranges = ranges_in({RANGES_KEY: data.decode(errors="replace")}, _SPECS)
    assert ranges is not None
    repr((list(map(str, ranges.inputs)), ranges.names))
    for codes in (np.zeros((2, 2), np.int64), np.full((1, 2), 2**62), np.zeros((0, 2), np.int64)):
        feed = {"codes": codes, "x": np.full((len(codes), 3), np.nan, np.float32)}
        try:
            ranges.check(feed)
        except EdgePredictError as error:
            expect(not isinstance(error, InvalidModel), "it was read, and is refused now")


def _array(data: bytes) -> None:
    from edge_runtime.contract import schema

    with schema.reading("an array"):
        array = read_array(json.loads(data.decode(errors="replace")))
    expect(array.flags.c_contiguous, "it is not contiguous")


def _from_models(key: str) -> Callable[[], Iterable[bytes]]:
    return functools.partial(_seeds, key)


def _seeds(key: str) -> list[bytes]:
    return [text.encode() for text in metadata_of_models(key)]


def _array_seeds() -> list[bytes]:
    found: list[Mapping[str, Any]] = []
    for text in _certificates():
        for batch in json.loads(text)["reference"]:
            for part in ("inputs", "expected", "tolerance"):
                found += batch[part].values()
    return [json.dumps(one).encode() for one in found]


def _certificates() -> list[bytes]:
    from fuzzing.models import certificate_texts

    return [text.encode() for text in certificate_texts()]


def _sealed() -> list[bytes]:
    entry = DATA_KEY.encode() + b"\x12\x70" + DataFile("model.onnx.data", 64, "a" * 64).to_json().encode()
    workload = WORKLOAD_KEY.encode() + b"\x12\x50" + Workload(True, 12.5, 40).to_json().encode()
    return [*_certificates(), entry, workload, workload + entry]


_RANGES = (
    b'{"schema_version": 1, "inputs": '
    b'[{"name": "codes", "shape": [1, 2], "low": [0, null], "high": [2, 899], "size": null}]}',
    b'{"schema_version": 1, "inputs": [{"name": "codes", "shape": [1, 1], "low": [0], "high": [null], '
    b'"size": {"input": "x", "axis": 1, "plus": -1}}, '
    b'{"name": "x", "shape": [1, 1], "low": [0], "high": [5], "size": null}]}',
)


def _target(name: str, check: Check, seeds: Callable[[], Iterable[bytes]], **more: Any) -> Target:
    return Target(name, lambda: check, seeds, mutated_json, **more)


TARGETS = (
    _target("signature", _signature, _from_models(SIGNATURE_KEY), weight=2),
    _target("certificate", _certificate, _certificates, weight=2),
    _target("seal and end of file", _seal, _sealed),
    _target("workload", _workload, _from_models(WORKLOAD_KEY), weight=0.5),
    _target(
        "data file entry",
        _data_file,
        lambda: [DataFile("model.onnx.data", 64, "a" * 64).to_json().encode()],
        weight=0.5,
    ),
    _target("input ranges", _ranges, lambda: _RANGES),
    _target("reference array", _array, _array_seeds),
)
