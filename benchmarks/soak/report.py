"""What a soak has found, as Markdown, and what of it does not hold."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from benchmarks.soak.slope import Slope, fit

BEGIN, END = "<!-- soak: made by make soak -->\n", "<!-- soak: end -->\n"
# Megabytes, open files and threads that a process may have more of at the end, after its warm-up.
_ALLOWED = (3.0, 4.0, 2.0)
# How much slower calls may be at the end, beside what Python itself takes.
_SLOWER = 1.5
_SHOWN = {
    "one": "`predict_one`",
    "batch": "`predict` of 1,024 rows",
    "request": "a request, one client",
    "request, wrk": "a request, 16 connections",
}


class Found(TypedDict):
    """What a run gives.

    Keys:
        machine: what it ran on.
        seconds: how long.
        counts: see `Counts`.
        wrk: whether it was there.
        lost: requests of wrk without an answer.
        times: percentiles in seconds, of the first part and the last, by what was called.
        samples: of each process, see `Sample`.
    """

    machine: dict[str, str]
    seconds: float
    counts: dict[str, Any]
    wrk: bool
    lost: int
    times: dict[str, list[list[float]]]
    samples: dict[str, list[list[float]]]


def problems(found: Found) -> list[str]:
    """What does not hold, in a line each."""
    counts = found["counts"]
    lines = [f"{counts['wrong'][kind]} wrong answers: {kind}" for kind in counts["wrong"] if counts["wrong"][kind]]
    lines += [f"{count} failed: {kind}" for kind, count in counts["failed"].items() if count]
    lines += [f"  {message}" for message in counts["messages"]]
    if found["lost"]:
        lines.append(f"{found['lost']} requests were lost")
    for name, samples in found["samples"].items():
        for what, slope, allowed in zip(("MB", "open files", "threads"), slopes(samples), _ALLOWED, strict=True):
            if slope.grows(allowed):
                lines.append(f"{name}: {slope.begin:.0f} {what} became {slope.end:.0f}, {slope.per_hour:.1f} an hour")
    times = found["times"]
    if "one" in times and "control" in times:
        was, now = (one[0] / control[0] for one, control in zip(times["one"], times["control"], strict=True))
        if now > _SLOWER * was:
            lines.append(f"predict_one takes {now / was:.1f} times as long at the end as at the beginning")
    return lines


def slopes(samples: Sequence[Sequence[float]]) -> list[Slope]:
    """Of memory, of open files, and of threads."""
    seconds, *columns = zip(*samples, strict=True)
    return [fit(seconds, column) for column in columns]


def markdown(found: Found) -> str:
    """The tables."""
    counts, machine = found["counts"], found["machine"]
    calls = sum(counts["calls"].values())
    packages = ", ".join(f"{name} {version}" for name, version in machine.items() if name in ("numpy", "onnxruntime"))
    lines = [
        f"In {found['seconds'] / 60:.1f} minutes, {calls:,} calls, requests and processes: "
        f"{sum(counts['wrong'].values())} wrong answers, {sum(counts['failed'].values())} failures, "
        f"{found['lost']} lost requests{'' if found['wrk'] else ' (without wrk, so of one client)'}. "
        f"Measured on {machine['processor']} ({machine['cores']}) with {packages}, Python {machine['python']}.",
        "",
        "| what | calls | wrong | failed | refused, as it must be |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {kind} | {counts['calls'][kind]:,} | {_of(counts['wrong'], kind)} | {_of(counts['failed'], kind)} | "
            f"{f'{refused:,}' if (refused := _of(counts['refused'], kind)) else ''} |"
            for kind in sorted({*counts["calls"], *counts["failed"]})
        ),
        "",
        "| process | MB at the beginning | at the end | MB an hour | with 99 % between | a leak is seen from | "
        "open files | threads |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_process(name, samples) for name, samples in found["samples"].items()),
        "",
        "| time of | p50 at the beginning | p99 | p99.9 | p50 at the end | p99 | p99.9 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {shown} | {' | '.join(_duration(seconds) for part in found['times'][name] for seconds in part)} |"
            for name, shown in _SHOWN.items()
            if name in found["times"]
        ),
    ]
    return "\n".join(lines) + "\n"


def _process(name: str, samples: Sequence[Sequence[float]]) -> str:
    memory, files, threads = slopes(samples)
    seen = max(memory.detectable, _ALLOWED[0] / memory.hours if memory.hours else 0.0)
    return (
        f"| {name} | {memory.begin:.1f} | {memory.end:.1f} | {memory.per_hour:.1f} | {memory.low:.1f} and "
        f"{memory.high:.1f} | {seen:.0f} MB an hour | {files.begin:.0f}, {files.end:.0f} | "
        f"{threads.begin:.0f}, {threads.end:.0f} |"
    )


def _of(counts: Mapping[str, int], kind: str) -> int:
    return counts.get(kind, 0)


def _duration(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"
