"""Export every network of the zoo with torch's exporter alone and with edge-predict, and judge both files.

    make zoo
    .venv/bin/python -m benchmarks.zoo --only resnet18 minilm

Exits with 1 if edge-predict lets a wrong file out, refuses a network that torch's exporter gets right, or ends
otherwise than with a file or a reason.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.pages import write_between
from benchmarks.zoo import table
from benchmarks.zoo.registry import FAMILIES, networks
from benchmarks.zoo.runner import Limits, Row, is_failure, run


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="these networks")
    parser.add_argument("--family", nargs="+", choices=FAMILIES, default=[], help="these families")
    parser.add_argument("--jobs", type=int, default=1, help="networks at a time (%(default)s)")
    parser.add_argument("--seconds", type=float, default=600, help="that one export may take (%(default)s)")
    parser.add_argument("--memory", type=float, default=12, help="GiB that one export may take (%(default)s)")
    parser.add_argument(
        "--output", type=Path, default=Path("build/zoo"), help="folder of zoo.json and zoo.md (%(default)s)"
    )
    parser.add_argument("--page", type=Path, help="a page with the marks of the table, which is put between them")
    parser.add_argument("--redraw", action="store_true", help="export nothing; draw an earlier zoo.json")
    parser.add_argument("--list", action="store_true", help="name the networks and stop")
    options = parser.parse_args()
    if unknown := sorted(set(options.only) - set(networks())):
        parser.error(f"not in the zoo: {', '.join(unknown)}; --list names what is")
    if options.page and (options.only or options.family):
        parser.error("--page takes the table of a whole run; run it without --only and --family")
    names = [
        one.name
        for family, members in FAMILIES.items()
        for one in members
        if one.name in options.only or family in options.family or not (options.only or options.family)
    ]
    if options.list:
        print("\n".join(names))
        return
    file = options.output / "zoo.json"
    if options.redraw:
        found = json.loads(file.read_text())
    else:
        found = measured(names, options.jobs, Limits(options.seconds, options.memory), file)
    text = table.markdown(found["rows"], found["machine"])
    file.with_suffix(".md").write_text(text)
    if options.page:
        write_between(options.page, table.BEGIN, table.END, text)
    failed = [row["name"] for row in found["rows"] if is_failure(row)]
    print(f"\n{table.summary(found['rows'])}")
    if failed:
        print(f"{len(failed)} fall short: {', '.join(failed)}", file=sys.stderr)
    sys.exit(bool(failed))


def measured(names: list[str], jobs: int, limits: Limits, file: Path) -> dict[str, object]:
    """The rows of `names` in this order, printed as they come and written to `file` each time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Row] = {}
    found: dict[str, object] = {"machine": machine(), "rows": []}
    print(table.head())
    for row in run(names, jobs, limits):
        rows[row["name"]] = row
        print(f"{table.line(row)}\n  {len(rows)} of {len(names)}", flush=True)
        found["rows"] = [rows[name] for name in names if name in rows]
        file.write_text(json.dumps(found, indent=1) + "\n")
    return found


if __name__ == "__main__":
    main()
