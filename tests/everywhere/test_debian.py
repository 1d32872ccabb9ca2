"""Scripts that run what was unpacked, wherever this repository lies."""

import subprocess
from pathlib import Path

from tests.everywhere.debian import script


def test_a_script_passes_arguments_on_and_sets_variables(tmp_path: Path) -> None:
    program = tmp_path / "a folder" / "it's a program"
    script(program, "printf '%s|' \"$NUMBER\"", NUMBER=7)
    outer = tmp_path / "bin" / "outer"
    script(outer, program, "first")
    assert subprocess.run([outer, "a b", "c"], capture_output=True, text=True, check=True).stdout == "7|first|a b|c|"


def test_a_variable_may_stand_for_another(tmp_path: Path) -> None:
    script(tmp_path / "show", "printenv PROCESSOR", PROCESSOR="${PROCESSOR:-m4}")
    for environment, shown in (({}, "m4\n"), ({"PROCESSOR": "m0"}, "m0\n")):
        result = subprocess.run([tmp_path / "show"], capture_output=True, text=True, env=environment)
        assert result.stdout == shown
