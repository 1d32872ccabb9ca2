import numpy as np

from edge_runtime import Feature, Input, Signature
from edge_train import Dataset, Part, four_blobs


def part(rows: int, value: float = 0.0) -> Part:
    return Part({"x": np.full((rows, 2), value, np.float32)}, np.zeros(rows, np.float32))


SIGNATURE = Signature((Input("x", (Feature("a"), Feature("b"))),), "probability", (0, 1))


def test_a_part_is_as_long_as_its_rows() -> None:
    assert len(part(7)) == 7


def test_some_rows_and_those_of_two_parts() -> None:
    numbers = np.arange(6, dtype=np.float32)
    inputs: dict[str, np.ndarray] = {"x": np.stack([numbers, -numbers], 1), "text": numbers[:, None].astype(np.int64)}
    rows = Part(inputs, numbers * 10)
    some = rows.taken(np.array([4, 1]))
    assert some.inputs["x"].tolist() == [[4, -4], [1, -1]]
    assert (some.inputs["text"].tolist(), some.target.tolist()) == ([[4], [1]], [40, 10])
    joined = some.joined(rows.taken(np.array([0])))
    assert joined.inputs["x"].tolist() == [[4, -4], [1, -1], [0, 0]]
    assert (joined.inputs["text"].tolist(), joined.target.tolist()) == ([[4], [1], [0]], [40, 10, 0])
    assert joined.inputs["text"].dtype == np.int64
    assert rows.taken(np.arange(2)).joined(rows.taken(np.arange(2, 6))).sha256 == rows.sha256


def test_the_hash_is_that_of_inputs_and_targets() -> None:
    same, other = part(3), part(3, value=1.0)
    assert part(3).sha256 == same.sha256
    assert part(3).sha256 != other.sha256
    assert part(3).sha256 != Part(same.inputs, np.ones(3, np.float32)).sha256
    # The order of an array in memory is not a property of its rows.
    turned = Part({"x": np.asfortranarray(other.inputs["x"])}, other.target)
    assert turned.sha256 == other.sha256


def test_which_rows_a_network_learns_from_is_the_hash_of_the_training_rows() -> None:
    dataset = Dataset(part(5), part(3), SIGNATURE)
    assert dataset.training_sha256 == part(5).sha256


def test_in_one_line() -> None:
    assert repr(part(1000)) == "Part(1,000 rows, x: float32 [1000, 2])"
    assert repr(Dataset(part(1000), part(2), SIGNATURE)) == (
        "Dataset(1,000 rows to train, 2 to test, 2 features, binary_classification)"
    )
    assert repr(Dataset(part(5), None, SIGNATURE)) == ("Dataset(5 rows to train, 2 features, binary_classification)")
    one = Signature((Input("x", (Feature("a"),)),), "value", (), "regression")
    assert repr(Dataset(part(5), None, one)) == "Dataset(5 rows to train, 1 feature, regression)"
    assert repr(four_blobs(0)).count("\n") == 0
