"""Runs the test of a model in C on an emulated Cortex-M, and measures what the model needs there.

The compiler is arm-none-eabi-gcc with newlib, the emulator qemu-system-arm. What is counted are instructions, of which
it runs one in each nanosecond of its time (`-icount shift=0`): how many cycles these take depends on the processor, its
memory and its wait states, and only the device itself tells.
"""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edge_export.errors import ExportError
from edge_runtime.contract.terminal import one_line

_BARE_METAL = Path(__file__).parent / "bare_metal"
_COMPILER, _SIZE, _EMULATOR = "arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"
# That of the reference rows of a large network, many times over.
_SECONDS = 300
_KIB = 1024


@dataclass(frozen=True)
class Core:
    """A processor on a board that the emulator knows; sizes are in bytes."""

    name: str
    board: str
    options: tuple[str, ...]
    flash: int
    ram: int
    stack: int


CORTEX_M4 = Core(
    name="Cortex-M4",
    board="mps2-an386",
    options=("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    flash=4096 * _KIB,
    ram=4096 * _KIB,
    stack=512 * _KIB,
)
# It has no floating-point unit. The board has as little memory as its like: what does not fit is not measured.
CORTEX_M0 = Core(
    name="Cortex-M0",
    board="microbit",
    options=("-mcpu=cortex-m0", "-mthumb", "-mfloat-abi=soft"),
    flash=256 * _KIB,
    ram=16 * _KIB,
    stack=10 * _KIB,
)
CORES = (CORTEX_M4, CORTEX_M0)


@dataclass(frozen=True)
class Footprint:
    """What a model needs on a core, compiled with -O2.

    Attributes:
        core: its name.
        text, data, bss: bytes of the program that holds the model alone, with what it calls of the C library and of the
            compiler's routines: code and constants, variables with and without initial values.
        stack: bytes of the deepest call, with all that it calls.
        instructions: of one call, the mean of those for the reference rows.
        passed: whether the reference rows hold there.
        said: what the test prints.
    """

    core: str
    text: int
    data: int
    bss: int
    stack: int
    instructions: int
    passed: bool
    said: str


def footprint(folder: Path, name: str, core: Core) -> Footprint | None:
    """Run the test of a model on an emulated core; None where the compiler or the emulator is not installed.

    Args:
        folder: where `name`.h, `name`.c and `name`_test.c are.
        name: of the files, without their endings.
        core: one of CORES.

    Raises:
        ExportError: the code does not compile or does not fit the core's memory, or the test does not end.
    """
    if any(shutil.which(tool) is None for tool in (_COMPILER, _SIZE, _EMULATOR)):
        return None
    with tempfile.TemporaryDirectory(prefix="edge-export-") as made:
        program = linked_test(folder, name, core, Path(made))
        code, output = emulated(program, core)
        *said, measured = output.splitlines() or [""]
        found = re.fullmatch(r"measured (\d+) (\d+)", measured)
        if found is None:
            raise ExportError(
                f"the test of {name} does not end on the {core.name}, where the stack has {core.stack // _KIB} KiB: "
                f"{one_line(output) or 'no output'}"
            )
        text, data, bss = _sizes(folder, name, core, Path(made))
    instructions, stack = map(int, found.groups())
    return Footprint(core.name, text, data, bss, stack, instructions, code == 0, "\n".join(said))


def linked_test(folder: Path, name: str, core: Core, output: Path) -> Path:
    """The test of a model for a core, which measures the model besides, in the folder `output`.

    Raises:
        ExportError: the code does not compile, or does not fit the core's memory.
    """
    function, wrapper = _wrapper(name, (folder / f"{name}.h").read_text())
    (output / "wrapper.c").write_text(wrapper)
    sources = [folder / f"{name}.c", folder / f"{name}_test.c", output / "wrapper.c", _BARE_METAL / "start.c"]
    sizes = {"flash_size": core.flash, "ram_size": core.ram, "stack_size": core.stack}
    program = output / f"{name}.elf"
    _compile(
        core,
        *("-I", folder, "-I", _BARE_METAL, *sources, "-o", program, "--specs=rdimon.specs", "-T"),
        *(_BARE_METAL / "memory.ld", f"-Wl,--wrap={function}"),
        *(f"-Wl,--defsym={size}={value}" for size, value in sizes.items()),
    )
    return program


def emulated(program: Path, core: Core) -> tuple[int, str]:
    """The exit code of a program on a core, and what it prints.

    Raises:
        ExportError: it has not ended after five minutes.
    """
    command = [
        *(_EMULATOR, "-M", core.board, "-display", "none", "-monitor", "none", "-serial", "none"),
        *("-semihosting", "-icount", "shift=0", "-kernel", str(program)),
    ]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise ExportError(f"{program.stem} has not ended on the {core.name} after {_SECONDS} s") from None
    return result.returncode, result.stdout.decode(errors="replace")


def _sizes(folder: Path, name: str, core: Core, output: Path) -> tuple[int, int, int]:
    """Bytes of text, data and bss of a program that holds nothing but the model and what it calls."""
    program = output / "alone.elf"
    function, _ = _wrapper(name, (folder / f"{name}.h").read_text())
    kept = [function, f"{function.removesuffix('_run')}_predict"]
    _compile(
        core,
        *(
            folder / f"{name}.c",
            "-o",
            program,
            "--specs=nano.specs",
            "--specs=nosys.specs",
            "-ffunction-sections",
            "-fdata-sections",
        ),
        *("-Wl,--gc-sections", f"-Wl,--entry={function}", *(f"-Wl,--undefined={each}" for each in kept)),
    )
    lines = subprocess.run([_SIZE, str(program)], capture_output=True, text=True, check=True).stdout.splitlines()
    text, data, bss = map(int, lines[1].split()[:3])
    return text, data, bss


def _compile(core: Core, *arguments: object) -> None:
    command = [
        _COMPILER,
        "-std=gnu99",
        "-O2",
        *core.options,
        "-masm-syntax-unified",
        "-nostartfiles",
        *map(str, arguments),
        "-lm",
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if "error" in line or "overflowed" in line]
        if full := [line for line in lines if "overflowed" in line]:
            sizes = f"{core.flash // _KIB} KiB of flash and {core.ram // _KIB} KiB of memory"
            raise ExportError(f"the {core.name} of a {core.board} has {sizes}: {one_line(full[0].split('ld: ')[-1])}")
        raise ExportError(f"{_COMPILER} cannot compile the C code: {one_line(lines[0] if lines else result.stderr)}")


def _wrapper(name: str, header: str) -> tuple[str, str]:
    """The name of the function that computes the network, and code that measures each of the test's calls of it."""
    declared = re.search(r"^int (\w+_run)\(([^;]*)\);$", header, re.MULTILINE)
    assert declared is not None, "the header declares what computes the network"
    function, parameters = declared.groups()
    arguments = ", ".join(re.findall(r"(\w+)\[", parameters))
    return function, (
        f'#include "{name}.h"\n#include "measured.h"\n'
        f"int __real_{function}({parameters});\nint __wrap_{function}({parameters});\n"
        f"int __wrap_{function}({parameters}) {{\n"
        '    uint32_t *stack;\n    __asm volatile("mov %0, sp" : "=r"(stack));\n'
        f"    before_call(stack);\n    const int status = __real_{function}({arguments});\n    after_call();\n"
        "    return status;\n}\n"
    )
