"""Random single changes to artifacts, and what a replay makes of them.

    .venv/bin/python tests/helpers/mutations.py [MUTATIONS]

prints how many were made, how many do harm, and how many are caught: by the file's hash, and by the reference rows
alone, as if the file had been sealed again after the change.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from table_module import Table, example
from zoo import ZOO

from edge_export import export, export_checkpoint
from edge_runtime import EdgePredictError, Predictor
from edge_runtime.contract.certificate import Certificate, seal
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.contract.signature import Signature
from edge_train import four_blobs, save_checkpoint, train

MODULES = (
    "convolutions",
    "residual",
    "two inputs, two outputs",
    "dict in, dict out",
    "embedding of integers",
    "buffers",
)
TABLE = "a table with strings and missing values"
ARTIFACTS = ("four blobs", *MODULES, TABLE)

# Operators that take and give the same tensors as one another.
INTERCHANGEABLE = (
    ("Relu", "Sigmoid", "Tanh", "Abs", "Neg", "Softplus"),
    ("Add", "Sub", "Mul", "Div", "Max"),
    ("ReduceMean", "ReduceSum", "ReduceMax"),
)


def artifact(name: str) -> bytes:
    """The ONNX file of that name: of the example, of a table, or of a module of another kind."""
    with tempfile.TemporaryDirectory() as folder:
        if name == "four blobs":
            checkpoint = Path(folder) / "model.pt"
            save_checkpoint(train(four_blobs(0)).model, checkpoint)
            return export_checkpoint(checkpoint)[0].content
        path = Path(folder) / "model.onnx"
        if name == TABLE:
            table = Table()
            return export(table, example(table), path)[0].content
        torch.manual_seed(0)
        exhibit = ZOO[name]
        return export(exhibit.module(), exhibit.example(), path, **exhibit.options)[0].content


def mutations(content: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Single changes to the artifact `content`, each with its kind; not sealed again."""
    random = np.random.default_rng(seed)
    kinds = (_weight, _weight, _weight, _weight_bit, _operator, _attribute, _signature, _byte)
    made = 0
    while made < count:
        kind = kinds[random.integers(len(kinds))]
        changed = kind(content, random)
        if changed is not None and changed != content:
            made += 1
            yield kind.__name__.strip("_"), changed


def _changed(content: bytes, change: Callable[[onnx.ModelProto], bool]) -> bytes | None:
    proto = onnx.load_from_string(content)
    return proto.SerializeToString(deterministic=True) if change(proto) else None


def _weight(content: bytes, random: np.random.Generator) -> bytes | None:
    """One element of a weight: a little larger, much larger, negated, zero."""

    def change(proto: onnx.ModelProto) -> bool:
        tensor = proto.graph.initializer[random.integers(len(proto.graph.initializer))]
        values = numpy_helper.to_array(tensor).copy()
        if not values.size:
            return False
        index = random.integers(values.size)
        if values.dtype.kind == "f":
            factor = (1.001, 1.01, 1.1, 2.0, -1.0, 0.0)[random.integers(6)]
            with np.errstate(all="ignore"):
                values.flat[index] = values.flat[index] * factor
        else:
            values.flat[index] += 1
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        return True

    return _changed(content, change)


def _weight_bit(content: bytes, random: np.random.Generator) -> bytes | None:
    """One bit of a weight."""

    def change(proto: onnx.ModelProto) -> bool:
        tensor = proto.graph.initializer[random.integers(len(proto.graph.initializer))]
        data = bytearray(numpy_helper.to_array(tensor).tobytes())
        if not data:
            return False
        data[random.integers(len(data))] ^= 1 << int(random.integers(8))
        values = np.frombuffer(bytes(data), numpy_helper.to_array(tensor).dtype).reshape(tuple(tensor.dims))
        tensor.CopyFrom(numpy_helper.from_array(values.copy(), tensor.name))
        return True

    return _changed(content, change)


def _operator(content: bytes, random: np.random.Generator) -> bytes | None:
    """One operator for another."""

    def change(proto: onnx.ModelProto) -> bool:
        node = proto.graph.node[random.integers(len(proto.graph.node))]
        for group in INTERCHANGEABLE:
            if node.op_type in group:
                node.op_type = [name for name in group if name != node.op_type][random.integers(len(group) - 1)]
                return True
        return False

    return _changed(content, change)


def _attribute(content: bytes, random: np.random.Generator) -> bytes | None:
    """One attribute of one operator."""

    def change(proto: onnx.ModelProto) -> bool:
        attributes = [attribute for node in proto.graph.node for attribute in node.attribute]
        if not attributes:
            return False
        attribute = attributes[random.integers(len(attributes))]
        match attribute.type:
            case onnx.AttributeProto.FLOAT:
                attribute.f *= 1.5
            case onnx.AttributeProto.INT:
                attribute.i += (1, -1)[random.integers(2)]
            case onnx.AttributeProto.INTS if len(attribute.ints):
                attribute.ints[random.integers(len(attribute.ints))] += 1
            case onnx.AttributeProto.STRINGS if len(attribute.strings) > 1:
                place, strings = random.integers(1, len(attribute.strings)), attribute.strings
                strings[place - 1], strings[place] = strings[place], strings[place - 1]
            case _:
                return False
        return True

    return _changed(content, change)


def _signature(content: bytes, random: np.random.Generator) -> bytes | None:
    """Labels or features in another order, another threshold."""

    def change(proto: onnx.ModelProto) -> bool:
        for entry in proto.metadata_props:
            if entry.key == SIGNATURE_KEY:
                plain = Signature.from_json(entry.value).to_dict()
                match random.integers(3):
                    case 0:
                        plain["labels"].reverse()
                    case 1:
                        plain["inputs"][0]["features"].reverse()
                    case 2:
                        plain["threshold"] += 0.1
                entry.value = Signature.from_dict(plain).to_json()
                return True
        return False

    return _changed(content, change)


def _byte(content: bytes, random: np.random.Generator) -> bytes | None:
    """One byte of the file, wherever it falls."""
    data = bytearray(content)
    data[random.integers(len(data))] ^= 1 << int(random.integers(8))
    return bytes(data)


def outputs_moved(original: bytes, changed: bytes, certificate: Certificate) -> bool | None:
    """Whether bare ONNX Runtime gives outputs on the reference rows beyond their tolerance; None if it gives none."""
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    sessions = []
    for content in (original, changed):
        try:
            sessions.append(onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"]))
        except Exception:
            return None
    for batch in certificate.reference:
        try:
            before, after = (session.run(list(batch.expected), dict(batch.inputs)) for session in sessions)
        except Exception:
            return None
        for name, one, other in zip(batch.expected, before, after, strict=True):
            tolerance = batch.tolerance[name]
            if one.shape != other.shape:
                return True
            if (selected := batch.selected.get(name)) is not None:
                places = selected.places(len(tolerance))
                one, other = one.reshape(-1)[places], other.reshape(-1)[places]
            with np.errstate(invalid="ignore", over="ignore"):
                # The original is within the tolerance of torch: farther than twice that from it is surely beyond.
                apart = np.abs(one.astype(np.float64) - other.astype(np.float64)) > 2 * tolerance.astype(np.float64)
            apart |= (np.isnan(one.astype(float)) != np.isnan(other.astype(float))) & np.isfinite(tolerance)
            if (apart & (one != other)).any():
                return True
    return False


def judge(original: bytes, changed: bytes) -> Counter[str]:
    """What becomes of one changed artifact."""
    counts = Counter(made=1)
    certificate = Predictor(original, device="cpu").certificate
    assert certificate is not None
    try:
        counts["said to be changed"] += not Predictor(changed, device="cpu").verify().intact
    except EdgePredictError:
        counts["does not open"] += 1
    try:
        resealed = seal(changed)
        predictor = Predictor(resealed, device="cpu")
        verification = predictor.verify()
    except EdgePredictError:
        return counts
    moved = outputs_moved(original, changed, certificate)
    relabelled = predictor.signature != Predictor(original, device="cpu").signature
    if moved or moved is None or relabelled:
        counts["harmful"] += 1
        counts["harmful, caught by reference rows alone"] += not verification.passed
    elif verification.passed:
        counts["harmless on the reference rows, passed when sealed again"] += 1
    return counts


def survey(names: Sequence[str], count: int, seed: int = 0) -> tuple[Counter[str], Counter[str]]:
    """`count` changes over the artifacts of these names: what became of them, and of the unchanged artifacts."""
    totals: Counter[str] = Counter()
    unchanged: Counter[str] = Counter()
    for number, name in enumerate(names):
        original = artifact(name)
        for same in (original, seal(onnx.load_from_string(original).SerializeToString(deterministic=True))):
            unchanged["made"] += 1
            unchanged["false alarms"] += not Predictor(same, device="cpu").verify().passed
        for kind, changed in mutations(original, -(-count // len(names)), seed + number):
            totals.update(judge(original, changed))
            totals[f"of these, {kind}"] += 1
    return totals, unchanged


if __name__ == "__main__":
    wanted = int((sys.argv[1:] or ["1000"])[0])
    for title, counts in zip(("changed", "unchanged"), survey(ARTIFACTS, wanted), strict=True):
        print(title)
        for name, number in counts.items():
            print(f"  {number:5} {name}")
