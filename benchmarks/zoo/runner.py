"""Runs the exports of many networks, each in a process of its own with limits on time and memory."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from benchmarks.zoo.child import OUTCOME, Outcome, Way
from benchmarks.zoo.registry import family_of, networks

_ROOT = Path(__file__).parents[2]


class Row(TypedDict):
    """What was found about one network.

    Keys:
        name: the network's.
        family: the one it belongs to.
        weights: "random", or the package that has them.
        bare: what torch's exporter did.
        ours: what edge-predict did.
    """

    name: str
    family: str
    weights: str
    bare: Outcome
    ours: Outcome


@dataclass(frozen=True)
class Limits:
    """What one export may take, its network and its judgement included.

    Attributes:
        seconds: of wall time.
        gibibytes: of memory.
    """

    seconds: float
    gibibytes: float


def run(names: Sequence[str], jobs: int, limits: Limits) -> Iterator[Row]:
    """The rows of `names`, each as soon as it is there; `jobs` networks at a time.

    Both exports of a network run one after the other, and who is first alternates from network to network, so that a
    slow spell of the machine strikes both alike.
    """
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(_row, name, place % 2 == 1, limits) for place, name in enumerate(names)]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def is_failure(row: Row) -> bool:
    """Whether edge-predict let a wrong file out, refused what bare torch gets right, or ended without a reason."""
    verdict = row["ours"]["verdict"]
    return verdict in ("wrong", "broken") or (row["bare"]["verdict"] == "right" and verdict != "right")


def _row(name: str, ours_first: bool, limits: Limits) -> Row:
    ways: tuple[Way, Way] = ("ours", "bare") if ours_first else ("bare", "ours")
    found = {way: _outcome(name, way, limits) for way in ways}
    weights = networks()[name].weights
    return {"name": name, "family": family_of(name), "weights": weights, "bare": found["bare"], "ours": found["ours"]}


def _outcome(name: str, way: Way, limits: Limits) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        command = [sys.executable, "-m", "benchmarks.zoo.child", name, way, folder, str(limits.gibibytes)]
        try:
            ended = subprocess.run(
                command,
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                timeout=limits.seconds,
            )
        except subprocess.TimeoutExpired:
            return {"verdict": "broken", "reason": f"not done within {limits.seconds:.0f} s"}
        file = Path(folder) / OUTCOME
        if file.exists():
            outcome: Outcome = json.loads(file.read_text())
            if "reason" in outcome:
                outcome["reason"] = outcome["reason"].replace(f"{folder}/", "")
            return outcome
        last = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
        return {"verdict": "broken", "reason": f"the process ended: {last[:300]}"}
