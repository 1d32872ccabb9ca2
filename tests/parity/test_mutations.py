"""No change to an artifact goes unnoticed, and an unchanged one always passes."""

from mutations import survey


def test_every_change_is_caught() -> None:
    changed, unchanged = survey(400)
    assert changed["made"] >= 400
    # Whatever changed: a byte of the file did.
    assert changed["caught"] == changed["made"]
    # And without the hash, all that moves an output on the golden rows, or the meaning of an answer.
    assert changed["harmful"] > 170
    assert changed["harmful, caught by golden rows alone"] == changed["harmful"]
    assert unchanged["made"] == 16
    assert unchanged["false alarms"] == 0
