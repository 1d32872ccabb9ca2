"""Measure everything, write results.json and the pictures, and print all cells and the goals.

    .venv/bin/python -m benchmarks [--rounds 60] [--seconds 20] [--only latency shell]
    .venv/bin/python -m benchmarks --redraw

Run it on a machine that does nothing else. It makes no judgement by its exit code.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks import inference, pictures, shell, tables, tensors
from benchmarks.machine import machine
from benchmarks.models import CACHE, EXAMPLE, prepared
from benchmarks.results import Results
from benchmarks.sizes import sizes

PARTS = ("latency", "throughput", "threads", "tensors", "loading", "shell", "sizes")


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=60, help="of each comparison, at most (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="for each comparison, about (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="what to measure (everything)")
    parser.add_argument("--output", type=Path, default=CACHE, help="the folder of results.json (%(default)s)")
    parser.add_argument("--pictures", type=Path, default=Path("docs/pictures"), help="their folder (%(default)s)")
    parser.add_argument("--redraw", action="store_true", help="measure nothing; print and draw an earlier results.json")
    options = parser.parse_args()
    file = options.output / "results.json"
    if options.redraw:
        results: Results = json.loads(file.read_text())
    else:
        results = measure(options.only, options.rounds, options.seconds, options.output)
        file.write_text(json.dumps(results, indent=1) + "\n")
    drawn = pictures.draw(results, options.pictures)
    tables.print_results(results)
    print(f"\nwrote {', '.join(map(str, [file, *drawn]))}", file=sys.stderr)


def measure(parts: list[str], rounds: int, seconds: float, folder: Path) -> Results:
    """The figures of `parts`."""
    models = prepared()
    example = next(model for model in models if model.name == EXAMPLE)
    folder.mkdir(parents=True, exist_ok=True)
    results: Results = {"machine": machine()}
    for part in parts:
        print(f"measuring {part}", file=sys.stderr, flush=True)
        match part:
            case "latency":
                results["latency"] = {model.name: inference.latency(model, rounds, seconds) for model in models}
            case "throughput":
                results["throughput"] = {model.name: inference.throughput(model, rounds, seconds) for model in models}
            case "threads":
                results["threads"] = inference.threads(example, max(3, rounds // 4))
            case "tensors":
                results["tensors"] = tensors.tensors(folder, rounds, seconds)
            case "loading":
                cells = [inference.loading(model, rounds, seconds) for model in models]
                results["loading"] = {name: cell for found in cells for name, cell in found.items()}
            case "shell":
                found = shell.shell(example, folder / "shell", rounds, 6 * seconds)
                results["shell"] = found
                repeats = max(3, min(9, rounds // 4))
                results["startup"] = shell.startup(example, folder / "shell", found["seconds"], repeats)
            case "sizes":
                results["sizes"] = sizes(folder)
    return results


if __name__ == "__main__":
    main()
