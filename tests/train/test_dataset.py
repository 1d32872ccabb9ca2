import numpy as np

from edge_runtime import Feature, Input, Signature
from edge_train import Dataset, Part, four_blobs


def part(rows: int, value: float = 0.0) -> Part:
    return Part({"x": np.full((rows, 2), value, np.float32)}, np.zeros(rows, np.float32))


SIGNATURE = Signature((Input("x", (Feature("a"), Feature("b"))),), "probability", (0, 1))


def test_a_part_is_as_long_as_its_rows() -> None:
    assert len(part(7)) == 7


def test_the_hash_is_that_of_inputs_and_targets() -> None:
    same, other = part(3), part(3, value=1.0)
    assert part(3).sha256 == same.sha256
    assert part(3).sha256 != other.sha256
    assert part(3).sha256 != Part(same.inputs, np.ones(3, np.float32)).sha256
    # The order of an array in memory is not a property of its rows.
    turned = Part({"x": np.asfortranarray(other.inputs["x"])}, other.target)
    assert turned.sha256 == other.sha256


def test_which_rows_a_network_learns_from_is_the_hash_of_the_training_rows() -> None:
    dataset = Dataset(part(5), None, part(3), SIGNATURE)
    assert dataset.training_sha256 == part(5).sha256


def test_in_one_line() -> None:
    assert repr(part(1000)) == "Part(1,000 rows, x: float32 [1000, 2])"
    assert repr(Dataset(part(1000), part(3), part(2), SIGNATURE)) == (
        "Dataset(1,000 rows to train, 3 to validate, 2 to test, 2 features, binary_classification)"
    )
    assert repr(Dataset(part(5), None, None, SIGNATURE)) == (
        "Dataset(5 rows to train, 2 features, binary_classification)"
    )
    one = Signature((Input("x", (Feature("a"),)),), "value", (), "regression")
    assert repr(Dataset(part(5), None, None, one)) == "Dataset(5 rows to train, 1 feature, regression)"
    assert repr(four_blobs(0)).count("\n") == 0
