"""The rows of a run as lines at the shell, as Markdown, and within a page between two marks."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from benchmarks.zoo.child import Outcome
from benchmarks.zoo.runner import Row, is_failure

BEGIN, END = "<!-- zoo: made by make zoo -->\n", "<!-- zoo: end -->\n"
_HEADS = (
    *("family", "network", "parameters", "torch's exporter", "edge-predict", "CPU s, torch's exporter", "CPU s"),
    *("ratio", "tolerance used", "size", "over torch's", "memory"),
)


def line(row: Row) -> str:
    """One row for the shell; a second line has the reason where there is no right file."""
    bare, ours = row["bare"], row["ours"]
    shown = (
        f"{'!' if is_failure(row) else ' '} {row['name']:30} {bare['verdict']:8} {ours['verdict']:8}"
        f"{_seconds(bare):>7}{_seconds(ours):>7}{_ratio(row):>7}{_used(ours):>7}{_size(ours):>9}{_memory(ours):>9}"
    )
    reasons = [f"      {who}: {one['reason']}" for who, one in (("bare", bare), ("ours", ours)) if "reason" in one]
    return "\n".join([shown, *reasons])


def head() -> str:
    """What stands over the lines."""
    names = f"  {'network':30} {'bare':8} {'ours':8}"
    return f"{names}{'bare s':>7}{'ours s':>7}{'ratio':>7}{'used':>7}{'size':>9}{'memory':>9}"


def summary(rows: Sequence[Row]) -> str:
    """The counts and the times of a run, in a few sentences."""
    right = sum(row["bare"]["verdict"] == "right" for row in rows)
    wrong = sum(row["bare"]["verdict"] == "wrong" for row in rows)
    made = [row for row in rows if row["ours"]["verdict"] == "right"]
    kept = sum(row["bare"]["verdict"] == "right" for row in made)
    let_out = sum(row["ours"]["verdict"] == "wrong" for row in rows)
    ratios = [ratio for row in made if (ratio := ratio_of(row)) is not None]
    text = (
        f"Of {len(rows)} networks, torch's exporter gets {right} right and {wrong} wrong, and makes no file of "
        f"{len(rows) - right - wrong}. edge-predict exports {kept} of the {right}, and {len(made) - kept} of the "
        f"others; {let_out} wrong files got through."
    )
    if not ratios:
        return text
    over = f"{median(ratios):.1f} times the processor seconds of torch's exporter (median; at most {max(ratios):.1f})"
    return f"{text} An export takes {over}."


def markdown(rows: Sequence[Row], machine: Mapping[str, str]) -> str:
    """The summary, the whole table, and what is said where there is no right file."""
    packages = ", ".join(f"{name} {version}" for name, version in machine.items() if name in ("torch", "onnxruntime"))
    lines = [
        summary(rows),
        "",
        f"Measured with {packages}, on {machine['processor']} ({machine['cores']}).",
        "",
        f"| {' | '.join(_HEADS)} |",
        f"|{' --- |' * len(_HEADS)}",
    ]
    family = ""
    for row in rows:
        lines.append(_markdown_row(row, row["family"] if row["family"] != family else ""))
        family = row["family"]
    refused = [entry for row in rows for entry in _reasons(row)]
    return "\n".join([*lines, "", *refused]).rstrip() + "\n"


def ratio_of(row: Row) -> float | None:
    """Processor seconds over those of torch's exporter; None unless both made a file."""
    bare, ours = row["bare"], row["ours"]
    if "size" not in bare or "size" not in ours:
        return None
    return ours["cpu"] / bare["cpu"]


def _markdown_row(row: Row, family: str) -> str:
    bare, ours = row["bare"], row["ours"]
    name = row["name"] if row["weights"] == "random" else f"{row['name']} (weights of {row['weights']})"
    sizes = f"{ours['size'] / bare['size']:.2f}" if "size" in bare and "size" in ours else ""
    cells = (
        *(family, name, _count(ours.get("parameters", bare.get("parameters", 0)))),
        *(_said(bare), _said(ours), _seconds(bare), _seconds(ours), _ratio(row), _used(ours)),
        *(_size(ours), sizes, _memory(ours)),
    )
    return f"| {' | '.join(cells)} |"


def _reasons(row: Row) -> Iterator[str]:
    for who, outcome in (("torch's exporter", row["bare"]), ("edge-predict", row["ours"])):
        if "reason" in outcome:
            reason = outcome["reason"].replace("`", "'")
            yield f"- {row['name']}, {_said(outcome)} by {who}: `{reason}`"


def _said(outcome: Outcome) -> str:
    return {"right": "right", "wrong": "wrong", "refused": "refused", "broken": "failed"}[outcome["verdict"]]


def _seconds(outcome: Outcome) -> str:
    return f"{outcome['cpu']:.1f}" if "cpu" in outcome else ""


def _ratio(row: Row) -> str:
    ratio = ratio_of(row)
    return "" if ratio is None else f"{ratio:.1f}"


def _used(outcome: Outcome) -> str:
    return f"{outcome['tolerance_used']:.0%}" if "tolerance_used" in outcome else ""


def _size(outcome: Outcome) -> str:
    if "size" not in outcome:
        return ""
    size = outcome["size"]
    return f"{size / 1e3:.0f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"


def _memory(outcome: Outcome) -> str:
    return f"{(outcome['peak'] - outcome['before']) / 1e6:.0f} MB" if "peak" in outcome else ""


def _count(number: int) -> str:
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number / 1e3:.1f} k"
