"""What a model is, in plain types."""

import json
from collections.abc import Callable

from paths import MODELS

from edge_runtime import InvalidModel, Predictor
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY
from edge_runtime.description import description, readable_certificate


def test_a_description_is_json() -> None:
    for path in sorted(MODELS.glob("*.onnx")):
        try:
            predictor = Predictor(path, device="cpu")
        except InvalidModel:
            # It needs a library of operators, or a later ONNX Runtime, which not every environment has.
            continue
        plain = description(predictor)
        assert json.loads(json.dumps(plain, allow_nan=False)).keys() == plain.keys()
        assert [one["name"] for one in plain["inputs"]] == [spec.name for spec in predictor.inputs]
        assert (plain["signature"] is None) == (predictor.signature is None)


def test_a_damaged_certificate_is_a_problem_and_not_an_error(
    with_metadata: Callable[[bytes, str, str], bytes], certified: Callable[..., bytes]
) -> None:
    assert description(Predictor(certified(), device="cpu"))["certificate"]["precision"] == "float32"
    damaged = Predictor(with_metadata(certified(), CERTIFICATE_KEY, "{"), device="cpu")
    certificate, problem = readable_certificate(damaged)
    assert certificate is None
    assert problem is not None
    assert problem.startswith("the certificate is damaged: ")
    assert description(damaged)["certificate_problem"] == problem
