"""Writes conformance.json: values, rows and answers as this runtime reads and gives them, for runtimes on other hosts.

    python -m tests.conformance.make

A host that reads each value to what stands beside it, or refuses it with the same words, and answers each row so, reads
and answers as Python does. The parts of the file, a case a line:

- values: for each feature, cases [value, read], or [value, null, message] if it is refused.
- names: cases [word, known names, message]: which name a message says was meant, if any.
- signatures: cases [document, whether it is one].
- arrays: cases [array of reference rows, its elements in C order], or [array, null] if it is damaged.
- models: for each model, cases {"row": ..., "answer": ..., "probabilities": ..., "unseen": ...}, or {"row", "error"}.

Numbers that JSON lacks are the strings "NaN", "Infinity" and "-Infinity"; a date that is missing is "NaT".
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conformance.documents import arrays, json_number, signatures
from tests.conformance.values import FEATURES, NAMES, likely

from edge_runtime import EdgePredictError, Feature, InvalidInput, Predictor, Signature
from edge_runtime.contract.dates import MISSING_DATE
from edge_runtime.contract.feature import plain_feature
from edge_runtime.contract.terminal import suggestion
from edge_runtime.contract.values import read_value

HERE = Path(__file__).parent
MODELS = HERE.parent / "runtime" / "models"
TABLES = ("four_blobs", "three_labels", "mass", "penguins", "islands", "sales", "two_inputs", "float16")
ROWS = 25


def plain(value: Any) -> Any:
    """What a value is read as, as JSON has it."""
    return "NaT" if value == MISSING_DATE else json_number(value)


def read(value: Any, feature: Feature) -> list[Any]:
    """A value, and what it is read as, or the words with which it is refused."""
    try:
        return [value, plain(read_value(value, feature))]
    except InvalidInput as error:
        return [value, None, str(error)]


def answered(predictor: Predictor, row: Any) -> dict[str, Any]:
    """A row, and the answer, or the words with which it is refused."""
    assert predictor.signature is not None
    try:
        case = {"row": row, "answer": plain(predictor.predict([row]).tolist()[0])}
    except EdgePredictError as error:
        return {"row": row, "error": str(error)}
    if predictor.signature.task != "regression":
        case["probabilities"] = list(map(plain, predictor.predict_proba([row]).tolist()[0]))
    return {**case, "unseen": predictor.unseen([row])[0]}


def rows_of(signature: Signature, draws: random.Random) -> Iterator[Any]:
    """Rows for a model, some of which it refuses."""
    names = signature.feature_names
    for number in range(ROWS):
        row = [draws.choice(likely(feature, draws)) for feature in signature.features]
        yield row if number % 2 else dict(zip(names, row, strict=True))
    yield from ([], {}, [1] * (len(names) + 1), {"nonsense": 1}, {**dict.fromkeys(names, 1), "besides": "any"})
    # Names with a mistake, and with a feature that is absent.
    right = {feature.name: likely(feature, draws)[0] for feature in signature.features}
    yield {name + ("s" if place == 0 else ""): value for place, (name, value) in enumerate(right.items())}
    yield dict(list(right.items())[1:])
    # As near to a threshold as a number of the tensor's type can be, and beyond what float16 holds.
    if len(names) == 2:
        yield from ([0.3, 0], [0.3, 0.001], [signature.threshold, 0], [65504, 1], [65520, 1], [1e-8, -1e-8])


def document() -> str:
    """The conformance file: a case a line, so that a change of one is a change of a line."""
    parts = [
        _part("values", [(plain_feature(one), [read(value, one) for value in values]) for one, values in FEATURES]),
        _lines("names", [[word, list(known), suggestion(word, known)] for word, known in NAMES]),
        _lines("signatures", list(signatures())),
        _lines("arrays", list(arrays())),
        _part("models", list(models())),
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def models() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each model with a table's signature, and its cases."""
    for name in TABLES:
        predictor = Predictor(MODELS / f"{name}.onnx", device="cpu")
        assert predictor.signature is not None
        rows = rows_of(predictor.signature, random.Random(name))
        yield f"runtime/models/{name}.onnx", [answered(predictor, row) for row in rows]


def _part(name: str, groups: list[Any]) -> str:
    kind = {"values": "feature", "models": "model"}[name]
    texts = [f'{{"{kind}": {_json(one)},\n{_lines("cases", cases)}}}' for one, cases in groups]
    return f'"{name}": [\n' + ",\n".join(texts) + "\n]"


def _lines(name: str, cases: list[Any]) -> str:
    return f'"{name}": [\n' + ",\n".join(map(_json, cases)) + "\n]"


def _json(plain: Any) -> str:
    return json.dumps(plain, ensure_ascii=True, allow_nan=False)


if __name__ == "__main__":
    (HERE / "conformance.json").write_text(document(), encoding="utf-8")
