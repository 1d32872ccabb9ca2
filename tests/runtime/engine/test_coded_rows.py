"""A model that answers codes otherwise than strings is not used."""

from collections.abc import Sequence

import numpy as np
import pytest
from certificates import appended
from coded_models import CODES, WORDS, signature_of, text_model
from sessions import placement_of

from edge_runtime import Certificate, Feature, ReferenceBatch
from edge_runtime.contract.category_codes import codes_of, encode
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY
from edge_runtime.engine import coded_rows
from edge_runtime.engine.coded_placement import coded_placement

FEATURES = (WORDS, CODES)
SIGNATURE = signature_of(FEATURES)
ROWS = [["a", "5"], ["b", "5.0"], ["", ""], ["日本", "1"], ["7", "12"], ["007", " 1"], ["b ", "012"]]


def certified(rows: Sequence[Sequence[str]]) -> bytes:
    """A model with a certificate that has these reference rows."""
    fed = {"x": np.zeros((len(rows), 1), np.float32), "text": np.array(rows, object)}
    batch = ReferenceBatch(
        "rows", fed, {"y": np.zeros((len(rows), 1), np.float32)}, {"y": np.ones((len(rows), 1), np.float32)}
    )
    certificate = Certificate("float32", "rule", (batch,), (), None, {}, {}, None)
    return appended(text_model(), CERTIFICATE_KEY, certificate.to_json())


@pytest.mark.parametrize("content", [text_model(), certified(ROWS)], ids=["spellings", "reference rows"])
def test_what_answers_otherwise_is_not_used(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert coded_placement(placement_of(content), SIGNATURE) is not None
    seen: list[int] = []

    def wrong(strings: np.ndarray, features: Sequence[Feature]) -> np.ndarray:
        codes = encode(strings, features)
        seen.append(len(codes))
        codes[-1, 1] ^= 1
        return codes

    monkeypatch.setattr(coded_rows, "encode", wrong)
    assert coded_placement(placement_of(content), SIGNATURE) is None
    # With a certificate, its reference rows; without one, every spelling and an unknown one.
    assert seen == ([len(ROWS)] if CERTIFICATE_KEY.encode() in content else [len(codes_of(WORDS)) + 1])
