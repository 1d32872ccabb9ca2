"""No change to an artifact goes unnoticed, and an unchanged one always passes."""

from mutations import survey


def test_every_change_is_caught() -> None:
    changed, unchanged = survey(400)
    assert changed["made"] >= 400
    # A changed file opens and is said to be changed, or does not open. (Other reasons to fail do not count here.)
    assert changed["does not open"] + changed["said to be changed"] == changed["made"]
    # Without the hash, all that moves an output on the reference rows, or the meaning of an answer.
    assert changed["harmful"] > 170
    assert changed["harmful, caught by reference rows alone"] == changed["harmful"]
    assert unchanged["made"] == 16
    assert unchanged["false alarms"] == 0
