"""No change to an artifact goes unnoticed, and an unchanged one always passes."""

import pytest
from mutations import ARTIFACTS, TABLE, survey


@pytest.mark.parametrize(
    ("names", "count", "harmful"),
    [
        (("buffers", TABLE), 40, 15),
        pytest.param(ARTIFACTS, 400, 170, marks=pytest.mark.slow),
    ],
)
def test_every_change_is_caught(names: tuple[str, ...], count: int, harmful: int) -> None:
    changed, unchanged = survey(names, count)
    assert changed["made"] >= count
    # A changed file opens and is said to be changed, or does not open. (Other reasons to fail do not count here.)
    assert changed["does not open"] + changed["said to be changed"] == changed["made"]
    # Some changes do no harm: these are caught by the file's hash alone.
    assert changed["harmless on the reference rows, passed when sealed again"] > 0
    # Without the hash, all that moves an output on the reference rows, or the meaning of an answer.
    assert changed["harmful"] > harmful
    assert changed["harmful, caught by reference rows alone"] == changed["harmful"]
    assert unchanged["made"] == 2 * len(names)
    assert unchanged["false alarms"] == 0
