"""Arrays are found in linked programs, and what is changed there is what the program reads."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.everywhere.elf import arrays

SOURCE = """
#include <stdio.h>
static const float weights[3] = {1.5f, -2.0f, 8.0f};
static const long long other[2] = {7, 9};
int main(int count, char **names) {
    (void)names;
    for (int i = 0; i < 3; i++) printf("%g ", (double)weights[i * count]);
    printf("%lld", other[count]);
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is installed")
def test_arrays_are_found(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(SOURCE)
    program = tmp_path / "program"
    subprocess.run(["cc", "-O2", tmp_path / "main.c", "-o", program], check=True)
    content = program.read_bytes()
    if content[:4] != b"\x7fELF":
        pytest.skip("programs of this system are no ELF files")
    found = arrays(content, {"weights", "other", "nothing"})
    assert {name: length for name, (_, length) in found.items()} == {"weights": 12, "other": 16}
    start = found["weights"][0]
    assert np.frombuffer(content, "<f4", 3, start).tolist() == [1.5, -2, 8]
    program.write_bytes(content[: start + 4] + np.float32(0.25).tobytes() + content[start + 8 :])
    assert subprocess.run([program], capture_output=True, text=True).stdout == "1.5 0.25 8 9"
