import json
from collections.abc import Callable
from typing import Any

import pytest
from paths import FOUR_BLOBS, MODELS

from edge_runtime import InvalidModel
from edge_runtime.contract.metadata_keys import WORKLOAD_KEY
from edge_runtime.contract.workload import Workload, has_small_rows

PLAIN: dict[str, Any] = {"schema_version": 1, "independent": True, "cost": 12.5, "bytes": 40}


def test_round_trip() -> None:
    workload = Workload(independent=True, cost=12.5, bytes=40)
    # Artifacts are the same byte for byte.
    assert workload.to_json() == '{"bytes": 40, "cost": 12.5, "independent": true, "schema_version": 1}'
    assert json.loads(workload.to_json()) == PLAIN
    assert Workload.from_json(workload.to_json()) == workload
    assert Workload.from_json(json.dumps({**PLAIN, "more": 1, "independent": False})) == Workload(False, 12.5, 40)
    read = Workload.from_json(json.dumps({**PLAIN, "cost": 2}))
    assert (read.cost, type(read.cost)) == (2, float)


@pytest.mark.parametrize(
    "changes",
    [
        {"cost": 0},
        {"cost": -1.0},
        {"cost": 1e18},
        {"cost": "2"},
        {"cost": True},
        {"cost": float("nan")},
        {"cost": float("inf")},
        {"bytes": 0},
        {"bytes": -4},
        {"bytes": 4.0},
        {"bytes": True},
        {"bytes": 2**60},
        {"independent": 1},
        {"independent": None},
        {"schema_version": 2},
    ],
)
def test_not_a_workload(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidModel, match="the workload"):
        Workload.from_json(json.dumps({**PLAIN, **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cost": "2"}, "the workload is damaged: cost is '2' and bytes 40"),
        ({"bytes": 0}, "the workload is damaged: cost is 12.5 and bytes 0"),
        ({"independent": 1}, "the workload is damaged: independent is 1"),
        ({"schema_version": 2}, "the workload has schema version 2, and this edge-predict reads versions up to 1"),
    ],
)
def test_what_is_wrong_with_it(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidModel) as raised:
        Workload.from_json(json.dumps({**PLAIN, **changes}))
    assert str(raised.value).startswith(message)


def test_the_largest_and_the_smallest() -> None:
    for changes in ({"cost": 9e17}, {"cost": 1e-9}, {"bytes": 1}, {"bytes": 2**60 - 1}):
        assert Workload.from_json(json.dumps({**PLAIN, **changes})).independent


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", *(json.dumps({**PLAIN, key: None}) for key in PLAIN)])
def test_damaged(text: str) -> None:
    with pytest.raises(InvalidModel, match="the workload is damaged"):
        Workload.from_json(text)


@pytest.mark.parametrize(
    ("workload", "small"),
    [
        (Workload(True, 12.5, 40), True),
        (Workload(True, 1e17, 9999), True),
        (Workload(True, 12.5, 10_000), False),
        (Workload(False, 12.5, 40), False),
    ],
)
def test_small_rows(workload: Workload, small: bool, with_metadata: Callable[[bytes, str, str], bytes]) -> None:
    content = with_metadata((MODELS / "three_labels.onnx").read_bytes(), WORKLOAD_KEY, workload.to_json())
    assert has_small_rows(content) is has_small_rows(content[-200:]) is small
    # A key that comes later.
    assert has_small_rows(with_metadata(content, "maker", "somebody")) is small


def test_other_files_do_not_say_that_rows_are_small() -> None:
    for end in (b"", b"edge_predict.workload", (MODELS / "three_labels.onnx").read_bytes()):
        assert not has_small_rows(end)
    assert has_small_rows(FOUR_BLOBS.read_bytes())
