"""Single changes to the constants and the reference rows of models in C, on this machine and on an emulated Cortex-M4.

The same bytes are changed in the two linked programs: in an array of the model, or in one of its test's. A checksum
catches every change; the number of elements that fail tells what the reference rows alone catch.
"""

import dataclasses
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tests.everywhere.elf import arrays
from tests.everywhere.runtimes import PROCESSES

from edge_export.c_code.cortex_m import CORTEX_M4, emulated, linked_test

FACTORS = (1.001, 1.01, 1.1, 2.0, -1.0, 0.0)
# The measuring of the stack, which fills it before each call, would take most of the time.
M4 = dataclasses.replace(CORTEX_M4, stack=32 * 1024)
FAILED = re.compile(r"(\d+) elements failed")


@dataclasses.dataclass(frozen=True)
class Change:
    """New bytes for an element of an array; `kind` says what the array is."""

    kind: str
    array: str
    offset: int
    content: bytes


def survey(folder: Path, names: Sequence[str], count: int) -> Counter[tuple[str, str]]:
    """How many changes of each kind were made, refused natively and on the M4, and so on, to each of these models.

    Args:
        folder: the models in C.
        names: of their files, without endings.
        count: changes to each.
    """
    found: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as made:
        for seed, name in enumerate(names):
            for change, native, on_device in _verdicts(folder, name, Path(made), count, seed):
                for key, is_so in {
                    "made": True,
                    "refused natively": native[0] != 0,
                    "refused on the M4": on_device[0] != 0,
                    "the same verdict": (native[0] != 0) == (on_device[0] != 0),
                    "failing elements on both": native[1] > 0 and on_device[1] > 0,
                    "failing elements on one": (native[1] > 0) != (on_device[1] > 0),
                }.items():
                    found[change.kind, key] += is_so
    return found


def _verdicts(
    folder: Path, name: str, made: Path, count: int, seed: int
) -> Iterator[tuple[Change, tuple[int, int], tuple[int, int]]]:
    sources = [(folder / f"{name}{ending}.c").read_text() for ending in ("", "_test")]
    native = made / f"{name}-native"
    units = [folder / f"{name}.c", folder / f"{name}_test.c"]
    subprocess.run(["cc", "-std=c99", "-O2", "-I", folder, "-o", native, *units, "-lm"], check=True)
    programs = [native.read_bytes(), linked_test(folder, name, M4, made).read_bytes()]
    kinds = dict(_arrays(*sources))
    places = [arrays(program, kinds) for program in programs]
    known = {array: kind for array, kind in kinds.items() if all(array in found for found in places)}
    changes = list(_changes(programs[0], places[0], known, sources, count, seed))

    def written(number: int, change: Change) -> list[Path]:
        paths = [made / f"{number}-{host}" for host in ("native", "M4")]
        for path, program, found in zip(paths, programs, places, strict=True):
            start = found[change.array][0] + change.offset
            path.write_bytes(program[:start] + change.content + program[start + len(change.content) :])
        paths[0].chmod(0o755)
        return paths

    # Before any is started: a process that is being started has the files open that others write at that moment, and
    # Linux starts no program that someone may still write to.
    files = [written(number, change) for number, change in enumerate(changes)]

    def verdict(change: Change, paths: list[Path]) -> tuple[Change, tuple[int, int], tuple[int, int]]:
        result = subprocess.run([paths[0]], capture_output=True, text=True)
        outcomes = [(result.returncode, result.stdout), emulated(paths[1], M4)]
        for path in paths:
            path.unlink()
        native, on_device = ((code, _failing(text)) for code, text in outcomes)
        return change, native, on_device

    with ThreadPoolExecutor(PROCESSES) as threads:
        yield from threads.map(verdict, changes, files)


def _failing(text: str) -> int:
    """How many elements fail, without a checksum, which counts as one; 1 if the test has crashed."""
    found = FAILED.search(text)
    return int(found[1]) - ("are not those that were exported" in text) if found else 1


def _arrays(source: str, test: str) -> Iterator[tuple[str, str]]:
    for kind, text in (("constants", source), ("reference rows", test)):
        for array in re.findall(r"^static const \w+ (\w+)\[", text, re.MULTILINE):
            yield array, kind


def _changes(
    program: bytes,
    places: dict[str, tuple[int, int]],
    kinds: dict[str, str],
    sources: Sequence[str],
    count: int,
    seed: int,
) -> Iterator[Change]:
    """As many changes to constants as to reference rows."""
    random = np.random.default_rng(seed)
    floats = set(re.findall(r"^static const float (\w+)\[", "\n".join(sources), re.MULTILINE))
    for number in range(count):
        kind = ("constants", "reference rows")[number % 2]
        names = sorted(array for array in kinds if kinds[array] == kind)
        array = names[random.integers(len(names))]
        start, length = places[array]
        data = program[start : start + length]
        content, offset = data, 0
        while content == data[offset : offset + len(content)]:
            offset = 4 * int(random.integers(length // 4))
            element = np.frombuffer(data, np.float32, 1, offset)
            if array in floats and random.random() < 0.75:
                content = (element * np.float32(FACTORS[random.integers(len(FACTORS))])).tobytes()
            else:
                content = (element.view(np.uint32) ^ np.uint32(1 << int(random.integers(32)))).tobytes()
        yield Change(kind, array, offset, content)
