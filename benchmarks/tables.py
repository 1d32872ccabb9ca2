"""Prints the figures of a run; the goals come last."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.goals import Outcome, outcomes, rows_in, skipped
from benchmarks.inference import THREADS
from benchmarks.results import Results
from benchmarks.timing import Cell, Quartiles
from edge_runtime.contract.terminal import aligned


def print_results(results: Results) -> None:
    """Every cell that was measured, then the goals."""
    print("  ".join(f"{name} {value}" for name, value in results.get("machine", {}).items()))
    print("Medians with quartiles; ratios are medians of the rounds' ratios. In brackets: ours over that one.")
    _print_latency(results.get("latency", {}))
    for model, cells in results.get("throughput", {}).items():
        _print_throughput(model, cells)
    _print_threads(results)
    for count, cell in results.get("tensors", {}).items():
        rows = ((name, duration(value), _over(cell, name)) for name, value in cell["seconds"].items())
        print_table(f"One call with arrays by name, {count} in and {count} out", ("", "time", ""), rows)
    for model, cell in results.get("loading", {}).items():
        rows = ((name, duration(value), _over(cell, name)) for name, value in cell["seconds"].items())
        print_table(f"Opening a file, {model}", ("", "time", ""), rows)
    _print_shell(results)
    print_goals(results)


def print_goals(results: Results) -> None:
    """The goals, what was measured, and where they are missed."""
    found = outcomes(results)
    print_missed(found)
    if absent := list(skipped(results)):
        print("\nCells without a ratio")
        print("\n".join(f"  {line}" for line in absent))
    print_outcomes(found)


def print_missed(found: Iterable[Outcome]) -> None:
    """Print every ratio that does not reach a goal of several."""
    for outcome in found:
        if len(outcome.cells) > 1 and outcome.missed:
            print(f"\nMissed: {outcome.what}, {outcome.goal}")
            print("\n".join(f"  {plain(value):<20}{where}" for where, value in outcome.missed.items()))


def print_outcomes(found: Iterable[Outcome]) -> None:
    """Print goals, and what was measured."""
    rows = []
    for outcome in found:
        measured = ""
        if outcome.worst is not None:
            where, value = outcome.worst
            measured = plain(value) + (f", worst of {len(outcome.cells)}: {where}" if len(outcome.cells) > 1 else "")
        rows.append((outcome.what, outcome.goal, outcome.verdict, measured))
    print_table("Goals", ("what", "goal", "", "measured"), rows, left=(0, 1, 2, 3))


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[int] = (0,)) -> None:
    """Print rows in columns, aligned to the right except those numbered in `left`."""
    print(f"\n{title}")
    for line in aligned([header, *rows], right=set(range(len(header))) - set(left)):
        print(f"  {line}")


def duration(value: Quartiles) -> str:
    """Seconds in the unit that fits, with their quartiles."""
    unit, factor = next(
        (u, f) for u, f in (("s", 1.0), ("ms", 1e3), ("us", 1e6)) if value["median"] * f >= 1 or f == 1e6
    )
    return f"{value['median'] * factor:.3g} {unit} ({value['low'] * factor:.3g}-{value['high'] * factor:.3g})"


def plain(value: Quartiles) -> str:
    """A ratio with its quartiles, or alone where it has none."""
    if value["low"] == value["high"]:
        return f"{value['median']:.3f}"
    return f"{value['median']:.2f} ({value['low']:.2f}-{value['high']:.2f})"


def _over(cell: Cell, name: str) -> str:
    return f"[{cell['over'][name]['median']:.2f}]" if name in cell["over"] else ""


def _names(cells: Iterable[Cell]) -> list[str]:
    """All contestants of `cells`, in their order, each once."""
    return list(dict.fromkeys(name for cell in cells for name in (*cell["seconds"], *cell["missing"])))


def _print_latency(models: Mapping[str, Cell]) -> None:
    if not models:
        return
    rows = [
        (
            name,
            *(
                f"{duration(c['seconds'][name])} {_over(c, name):>6}" if name in c["seconds"] else "-"
                for c in models.values()
            ),
        )
        for name in _names(models.values())
    ]
    print_table("One row, from a Python list", ("", *models), rows)
    _print_missing(models)


def _print_throughput(model: str, cells: Mapping[str, Cell]) -> None:
    def shown(batch: str, name: str) -> str:
        if name not in cells[batch]["seconds"]:
            return "-"
        rate = int(batch) / cells[batch]["seconds"][name]["median"]
        return f"{rate:.3g} {_over(cells[batch], name):>7}"

    rows = [(name, *(shown(batch, name) for batch in cells)) for name in _names(cells.values())]
    print_table(f"Rows a second, {model}, by rows in a call", ("", *(f"{int(b):,}" for b in cells)), rows)
    _print_missing({rows_in(batch): cell for batch, cell in cells.items()})


def _print_missing(cells: Mapping[str, Cell]) -> None:
    """Who is missing in which of `cells`, each reason once."""
    places: dict[tuple[str, str], list[str]] = {}
    for where, found in cells.items():
        for name, reason in found["missing"].items():
            places.setdefault((reason, name), []).append(where)
    lines: dict[tuple[str, str], list[str]] = {}
    for (reason, name), missing in places.items():
        lines.setdefault((reason, "all" if len(missing) == len(cells) else "; ".join(missing)), []).append(name)
    for (reason, where), names in lines.items():
        print(f"  skipped ({where}): {'; '.join(names)}: {reason}")


def _print_threads(results: Results) -> None:
    rows = [
        (
            f"{rows_in(batch)}, {name}",
            f"{rates['single']['median']:.3g}",
            f"{rates['several']['median']:.3g}",
            plain(rates["gain"]),
        )
        for batch, names in results.get("threads", {}).items()
        for name, rates in names.items()
    ]
    if rows:
        title = f"Rows a second from {THREADS} threads at once, 2-5-1"
        print_table(title, ("", "1 thread", f"{THREADS} threads", "gain"), rows)


def _print_shell(results: Results) -> None:
    if "shell" in results:
        shell = results["shell"]
        rows = [
            (
                name,
                duration(value),
                plain(shell["over"][name]) if name in shell["over"] else "",
                f"{shell['memory'][name]['median'] / 2**20:.1f} MiB",
                plain(shell["memory_over"][name]) if name in shell["memory_over"] else "",
            )
            for name, value in shell["seconds"].items()
        ]
        print_table("Whole commands", ("", "wall", "ours over it", "peak memory", "ours over it"), rows)
    for name, parts in results.get("startup", {}).items():
        times = ((part, f"{seconds * 1e3:.1f} ms") for part, seconds in parts.items())
        print_table(f"Where the time goes, {name}", ("", ""), times)
    if "sizes" in results:
        shown = (
            (name, f"{size / 2**20:.1f} MiB" if isinstance(size, int) else size)
            for name, size in results["sizes"].items()
        )
        print_table("Installed", ("", ""), shown)
