"""The table of a run, for people, and for the page that quotes it."""

from collections.abc import Mapping, Sequence

from fuzzing.runner import Result

BEGIN, END = "<!-- fuzzing: drawn by make fuzz -->\n", "<!-- fuzzing: end -->\n"


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
