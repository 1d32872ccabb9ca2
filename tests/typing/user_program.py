"""A user's program, which type checkers take in their strict mode: what the runtime offers, and the types it gives.

It also runs: python tests/typing/user_program.py MODEL.onnx, with a classifier of two numbers.
"""

import csv
import io
import json
import pickle
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

import edge_runtime
from edge_runtime import (
    Certificate,
    Check,
    EdgePredictError,
    Explanation,
    Feature,
    Input,
    InputRange,
    InvalidInput,
    ModelMetadata,
    NoBaseline,
    NoCertificate,
    NoSignature,
    OpenedModel,
    Prediction,
    Predictor,
    ReferenceBatch,
    Signature,
    TensorSpec,
    Verification,
)


def opened(path: Path) -> list[Predictor]:
    content = path.read_bytes()
    return [
        Predictor(path),
        Predictor(str(path), "cpu", verify=False, threads=1),
        Predictor(content, device="cpu"),
        Predictor(memoryview(bytearray(content))),
        Predictor(
            io.BytesIO(content),
            providers=["CPUExecutionProvider"],
            session_options={"intra_op_num_threads": 1, "session.intra_op.allow_spinning": "0"},
            data_folder=path.parent,
            sha256=Predictor(path).sha256,
        ),
    ]


def answers(predictor: Predictor) -> str:
    rows = [[-1.0, 1.0], [1.0, 1.0]]
    labels = predictor.predict(rows)
    probabilities = predictor.predict_proba(np.array(rows))
    best: float = float(probabilities.max(axis=1)[0])
    shape: tuple[int, ...] = labels.shape
    names: list[str] = [f"{label}" for label in predictor.classes_]
    by_name = predictor.predict(csv.DictReader(io.StringIO("x1,x2\n-1,1\n")))
    reasons: list[dict[str, str]] = predictor.unseen(rows)
    accuracy: float = predictor.score(rows, [1, 0])
    features: npt.NDArray[np.object_] = predictor.feature_names_in_
    count: int = predictor.n_features_in_
    return f"{best} {shape} {names} {by_name.dtype} {reasons} {accuracy} {features.tolist()} {count}"


def one_answer(predictor: Predictor) -> str:
    answer: Prediction = predictor.predict_one([-1, 1])
    probability: float = answer.probability
    label: int | float | str | bool = answer.label
    first, second = predictor.predict_one({"x1": -1, "x2": 1})
    match answer:
        case Prediction(third, fourth):
            pass
    text: str = json.dumps({"row": 7, **answer})
    copy: Prediction = Prediction(label, probability)
    assert copy == answer == (label, probability)
    return f"{text} {first} {second} {third} {fourth}"


def explained(predictor: Predictor) -> str:
    try:
        found: Explanation = predictor.explain([-1, 1])
        other = predictor.explain({"x1": -1, "x2": 1}, label=predictor.classes_[0])
    except NoBaseline:
        return "no baseline"
    total: float = found.base + sum(found.attributions.values())
    errors: dict[str, float] = dict(found.standard_errors or {})
    return f"{found.label} {total - found.answer:.3f} {other.answer} {errors}"


def what_it_is(predictor: Predictor) -> list[str]:
    signature = predictor.signature
    if signature is None:
        return []
    task: str = signature.task
    first: Input = signature.inputs[0]
    feature: Feature = first.features[0]
    low: float | None = feature.minimum
    again: Signature = Signature.from_json(signature.to_json())
    specs: tuple[TensorSpec, ...] = predictor.inputs + predictor.outputs
    ranges: tuple[InputRange, ...] = predictor.input_ranges
    dtypes = [spec.dtype for spec in specs]
    shapes = [axis for spec in specs for axis in spec.shape]
    provider: str = predictor.provider
    return [task, feature.name, f"{low} {again == signature} {ranges} {dtypes} {shapes}", provider, repr(predictor)]


def tensors(model: OpenedModel) -> list[tuple[int, ...]]:
    outputs = model.run({model.inputs[0].name: np.zeros((3, 2), np.float32)}, outputs=[model.outputs[0].name])
    metadata: ModelMetadata = model.metadata
    custom: dict[str, str] = dict(metadata.custom)
    opsets: dict[str, int] = dict(metadata.opsets)
    assert custom
    assert opsets
    assert metadata.producer
    assert not model.overridable_initializers
    return [np.asarray(value).shape for value in outputs.values()]


def verified(predictor: Predictor) -> str:
    certificate: Certificate | None = predictor.certificate
    if certificate is None:
        return "no certificate"
    batches: tuple[ReferenceBatch, ...] = certificate.reference
    try:
        verification: Verification = predictor.verify(on_batch=lambda: None)
    except NoCertificate:
        return "no certificate"
    checks: list[Check] = list(verification.checks)
    rows: int = verification.rows
    return f"{verification.passed} {rows} {len(checks)} {len(batches)} {verification.failure}"


def errors(predictor: Predictor) -> str:
    try:
        predictor.predict([[1, 2, 3]])
    except InvalidInput as error:
        return str(error)
    except NoSignature:
        return "no signature"
    except (EdgePredictError, ValueError):
        raise
    return ""


def main(path: Path) -> None:
    predictor, *others = opened(path)
    print(edge_runtime.__version__, len(others), predictor.set_params(**predictor.get_params()) is predictor)
    print(answers(predictor), one_answer(predictor), what_it_is(predictor), tensors(predictor), verified(predictor))
    print(errors(predictor), explained(predictor), predictor.reload(), predictor.closed)
    again: Predictor = pickle.loads(pickle.dumps(predictor))
    with again.current() as same:
        print(same)
    again.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
