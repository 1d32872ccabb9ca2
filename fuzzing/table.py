"""The table of a run, for people, and for the page that quotes it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from fuzzing.runner import Result

_MARKS = ("<!-- fuzzing: drawn by make fuzz -->", "<!-- fuzzing: end -->")


def markdown(results: Sequence[Result], missing: Mapping[str, str], machine: str) -> str:
    """The table, with a sentence on where it was made."""
    lines = [
        "| target | inputs | guided | crashes | untyped exceptions | hangs | out of memory | in ONNX Runtime |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | --- |",
        *(
            _line(one.target, f"{one.inputs:,}", "by coverage" if one.guided else "no", [one])
            for one in sorted(results, key=lambda result: result.target)
        ),
        _line("all", f"**{sum(one.inputs for one in results):,}**", "", results),
        *("", machine),
    ]
    lines += [f"Not run: {module}, without {package}." for module, package in missing.items()]
    return "\n".join(lines) + "\n"


def _line(name: str, inputs: str, guided: str, results: Sequence[Result]) -> str:
    def count(found: str, where: str) -> int:
        return sum(getattr(one, found)[where] for one in results)

    in_ort = [f"{number:,} {what}" for what in ("crashes", "hangs") if (number := count(what, "onnxruntime"))]
    untyped, memory = sum(one.untyped for one in results), sum(one.memory for one in results)
    cells = [name, inputs, guided, count("crashes", "ours"), untyped, count("hangs", "ours"), memory, ", ".join(in_ort)]
    return f"| {' | '.join(map(str, cells))} |"


def write_into(page: Path, text: str) -> None:
    """Put `text` between the marks in `page`."""
    before, after = _MARKS
    old = page.read_text()
    new, count = re.subn(
        f"(?s){re.escape(before)}\n.*{re.escape(after)}", lambda _: f"{before}\n\n{text}\n{after}", old
    )
    if count != 1:
        raise SystemExit(f"{page} does not have the marks {before} and {after} once")
    page.write_text(new)
