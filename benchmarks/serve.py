"""Servers beside each other, as wrk drives them: requests a second and latency of one row and of 64.

    python -m benchmarks.serve --peers build/bench-serve/bin/python [--rounds 9] [--seconds 2]

Every server has one worker. In each round each is driven once, in random order; medians over the rounds are shown, and
medians of the ratios within them. It ends on the goals, and makes no judgement by its exit code.
"""

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

from benchmarks.goals import Outcome
from benchmarks.machine import machine
from benchmarks.models import CACHE, EXAMPLE, Model, prepared
from benchmarks.serve_peers import BENTOML, FASTAPI, FASTAPI_ASYNC, MLFLOW, OURS, OURS_BINARY, OURS_INFER, Peer, running
from benchmarks.tables import print_missed, print_outcomes, print_table
from benchmarks.timing import Quartiles, ratio, summary

ROWS = (1, 64)
# Connections that wrk keeps, each with one request at a time.
_CONNECTIONS = 16
# The first answers as most others do, with numbers for numbers; the second with labels, all probabilities and what
# training never saw.
_OURS = (OURS_INFER, OURS)
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


class Run(TypedDict):
    """What wrk said of one run: requests a second, and seconds that half and 99 % of the requests took at most."""

    rate: float
    p50: float
    p99: float


class Results(TypedDict):
    """What a benchmark gives.

    Keys:
        machine: what it ran on.
        runs: one for each round, by the rows of a request and by server.
        missing: servers that could not take part, and why.
    """

    machine: dict[str, str]
    runs: dict[str, dict[str, list[Run]]]
    missing: dict[str, str]


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", type=Path, required=True, help="the Python that BentoML and MLflow are installed in")
    parser.add_argument("--rounds", type=int, default=9, help="of each comparison (%(default)s)")
    parser.add_argument("--seconds", type=int, default=2, help="of each run of wrk (%(default)s)")
    parser.add_argument("--output", type=Path, default=CACHE / "serve.json", help="the file to write (%(default)s)")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("error: wrk is not installed; on Debian, apt install wrk")
    model = next(model for model in prepared() if model.name == EXAMPLE)
    folder = options.output.parent
    with running(model, options.peers, folder) as (peers, missing):
        for name, reason in missing.items():
            print(f"{name} does not take part: {reason}", file=sys.stderr)
        runs = {str(rows): _measured(peers, model, rows, options) for rows in ROWS}
    results: Results = {"machine": machine(), "runs": runs, "missing": missing}
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    _print(results)


def _measured(peers: Mapping[str, Peer], model: Model, rows: int, options: argparse.Namespace) -> dict[str, list[Run]]:
    scripts = {}
    for number, (name, peer) in enumerate(peers.items()):
        body = peer.body(model.rows(rows))
        content, script = (options.output.parent / f"serve-{number}.{kind}" for kind in ("body", "lua"))
        content.write_bytes(body.content)
        headers = "".join(
            f"wrk.headers[{json.dumps(key)}] = {json.dumps(item)}\n" for key, item in body.headers.items()
        )
        script.write_text(
            f'wrk.method = "POST"\n{headers}local file = io.open({json.dumps(str(content))}, "rb")\n'
            'wrk.body = file:read("*a")\nfile:close()\n'
        )
        scripts[name] = script
        _drive(peer.url, script, 1)
    order, names = random.Random(0), list(peers)
    found: dict[str, list[Run]] = {name: [] for name in peers}
    for done in range(options.rounds):
        print(f"\r{rows} rows, round {done + 1} of {options.rounds}", end="", file=sys.stderr, flush=True)
        order.shuffle(names)
        for name in names:
            found[name].append(_drive(peers[name].url, scripts[name], options.seconds))
    print(file=sys.stderr)
    return found


def _drive(url: str, script: Path, seconds: int) -> Run:
    """One run of wrk."""
    command = ["wrk", "--threads", "1", "--connections", str(_CONNECTIONS), "--duration", f"{seconds}s"]
    text = subprocess.run(
        [*command, "--latency", "--script", str(script), url], capture_output=True, text=True, check=True
    ).stdout
    if wrong := re.search(r"Non-2xx.*|Socket errors.*", text):
        raise RuntimeError(f"{url}: {wrong[0]}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    times = {share: re.search(rf"{share}%\s+([\d.]+)(us|ms|s|m)\b", text) for share in ("50", "99")}
    assert rate is not None, text
    p50, p99 = (float(time[1]) * _UNITS[time[2]] for time in times.values() if time is not None)
    return {"rate": float(rate[1]), "p50": p50, "p99": p99}


def _print(results: Results) -> None:
    print("  ".join(f"{name} {value}" for name, value in results["machine"].items()))
    print("Medians of the rounds, with the quartiles of requests a second; ratios are those of single rounds.")
    for rows, runs in results["runs"].items():
        lines = [
            (
                name,
                f"{rate['median']:,.0f} ({rate['low']:,.0f}-{rate['high']:,.0f})",
                f"{summary(run['p50'] for run in of_one)['median'] * 1e3:.2f} ms",
                f"{summary(run['p99'] for run in of_one)['median'] * 1e3:.2f} ms",
                *(f"{over['median']:.2f}" if (over := _over(runs, ours, name)) else "" for ours in _OURS),
            )
            for name, of_one in runs.items()
            if (rate := summary(run["rate"] for run in of_one))
        ]
        header = ("", "requests/s", "p50", "p99", *(f"{ours.removeprefix('edge-serve, ')} over it" for ours in _OURS))
        print_table(f"{rows} row{'s' if rows != '1' else ''} in a request", header, lines)
    found = list(_outcomes(results))
    print_missed(found)
    print_outcomes(found)


def _outcomes(results: Results) -> Iterator[Outcome]:
    for title, names, limit in [
        ("a plain FastAPI app", (FASTAPI, FASTAPI_ASYNC), 1.5),
        ("BentoML", (BENTOML,), 3.0),
        ("mlflow serve", (MLFLOW,), 3.0),
    ]:
        cells = {
            f"{ours} over {name}, {rows} row{'s' if rows != '1' else ''}": over
            for rows, runs in results["runs"].items()
            for ours in _OURS
            for name in names
            if (over := _over(runs, ours, name)) is not None
        }
        yield Outcome(f"requests a second over {title}", f">= {limit:g}", cells, limit, at_least=True)


def _over(runs: Mapping[str, list[Run]], ours: str, name: str) -> Quartiles | None:
    if name in (OURS, OURS_INFER, OURS_BINARY) or name not in runs or ours not in runs:
        return None
    return ratio([run["rate"] for run in runs[ours]], [run["rate"] for run in runs[name]])


if __name__ == "__main__":
    main()
