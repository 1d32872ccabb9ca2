"""What a model needs on an emulated Cortex-M; where the tools are not installed, `make test-cortex-m` fetches them."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from edge_export import ExportError
from edge_export.c_code.cortex_m import CORES, CORTEX_M0, CORTEX_M4, Core, footprint

TOOLS = ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm")
emulated = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS), reason="make test-cortex-m fetches the compiler and the emulator"
)
HEADER = "int sum_run(const float x[2], float y[1]);\n"
MODEL = """
#include "sum.h"
static const float table[{constants}] = {{1.0f}};
int sum_run(const float x[2], float y[1]) {{
    volatile unsigned char working[{working}];
    working[0] = 1;
    for (volatile int i = 0; i < {loops}; i++) {{
    }}
    y[0] = x[0] + x[1] * table[(int)x[0]] * working[0];
    return 0;
}}
"""
TEST = """
#include "sum.h"
#include <stdio.h>
int main(void) {{
    int failed = 0;
    for (int i = 0; i < 3; i++) {{
        const float x[2] = {{0, (float)i}};
        float y[1];
        failed += sum_run(x, y) || y[0] != {expected};
    }}
    printf("%d rows failed\\n", failed);
    return failed != 0;
}}
"""


def written(
    folder: Path, *, constants: int = 1, working: int = 8, loops: int = 0, expected: str = "(float)i"
) -> tuple[Path, str]:
    """A model that adds two numbers, with so many constants, bytes on the stack and rounds of a loop."""
    (folder / "sum.h").write_text(HEADER)
    (folder / "sum.c").write_text(MODEL.format(constants=constants, working=working, loops=loops))
    (folder / "sum_test.c").write_text(TEST.format(expected=expected))
    return folder, "sum"


def test_without_the_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert footprint(*written(tmp_path), CORTEX_M4) is None


@emulated
@pytest.mark.parametrize("core", CORES, ids=lambda core: core.name)
def test_reference_rows_that_hold(tmp_path: Path, core: Core) -> None:
    found = footprint(*written(tmp_path), core)
    assert found is not None
    assert (found.core, found.passed, found.said) == (core.name, True, "0 rows failed")


@emulated
@pytest.mark.parametrize("core", CORES, ids=lambda core: core.name)
def test_reference_rows_that_do_not_hold(tmp_path: Path, core: Core) -> None:
    found = footprint(*written(tmp_path, expected="0"), core)
    assert found is not None
    assert (found.passed, found.said) == (False, "2 rows failed")


@emulated
@pytest.mark.parametrize("core", CORES, ids=lambda core: core.name)
def test_sizes(tmp_path: Path, core: Core) -> None:
    small = footprint(*written(tmp_path, constants=10, working=80, loops=1000), core)
    large = footprint(*written(tmp_path, constants=1010, working=880, loops=3000), core)
    assert small is not None
    assert large is not None
    assert large.text - small.text == pytest.approx(4000, abs=16)
    assert large.stack - small.stack == 800
    # What gcc makes of a volatile counter: five to seven instructions a round.
    assert 5 * 2000 <= large.instructions - small.instructions <= 7 * 2000
    assert small.data == large.data == 0
    assert small.bss == large.bss == 0


@emulated
def test_a_core_without_a_floating_point_unit(tmp_path: Path) -> None:
    with_unit, without = (footprint(*written(tmp_path), core) for core in (CORTEX_M4, CORTEX_M0))
    assert with_unit is not None
    assert without is not None
    assert without.instructions > 5 * with_unit.instructions
    assert without.text > with_unit.text


@emulated
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"constants": 70_000}, r"the Cortex-M0 of a microbit has 256 KiB of flash and 16 KiB of memory: .*overflowed"),
        # The stack is lowest in memory: it runs out of it, and not into variables.
        ({"working": 14_000}, r"the test of sum does not end on the Cortex-M0, where the stack has 10 KiB: no output"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        footprint(*written(tmp_path, **changes), CORTEX_M0)
