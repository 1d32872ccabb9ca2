"""wrk, which drives the server with all that it can take, and checks each answer."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soak.counts import Counts
from benchmarks.soak.known import TOLERANCE, Known

_CONNECTIONS = 16

# wrk has a state for each of its threads, and `done` in one of its own.
_SCRIPT = """
local expected = {%(first)r, %(second)r}
local threads = {}
wrong, refused = 0, 0
wrk.method, wrk.body = "POST", '[%(row)s]'
wrk.headers["Content-Type"] = "application/json"
function setup(thread) table.insert(threads, thread) end
function response(status, headers, body)
  if status ~= 200 then refused = refused + 1 return end
  local label, other, positive = body:match('"label":(%%d),.-"0":([%%d.e-]+),"1":([%%d.e-]+)}')
  positive = tonumber(positive)
  local is_right = false
  for _, one in ipairs(expected) do
    local is_near = positive and math.abs(positive - one) <= %(tolerance)r
    is_right = is_right or (is_near and (positive > 0.5) == (label == "1"))
  end
  if not is_right then wrong = wrong + 1 end
end
function done(summary, latency, requests)
  local all_wrong, all_refused = 0, 0
  for _, thread in ipairs(threads) do
    all_wrong, all_refused = all_wrong + thread:get("wrong"), all_refused + thread:get("refused")
  end
  local e = summary.errors
  print(string.format(
    'FOUND {"requests": %%d, "wrong": %%d, "refused": %%d, "lost": %%d, "percentiles": [%%f, %%f, %%f]}',
    summary.requests, all_wrong, all_refused, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6, latency:percentile(99.9) / 1e6))
end
"""


@dataclass
class Load:
    """What wrk has found.

    Attributes:
        requests, lost: how many were answered, and how many were not.
        percentiles: seconds, of each of its runs.
    """

    requests: int = 0
    lost: int = 0
    percentiles: list[Sequence[float]] = field(default_factory=list)

    def started(self, known: Known, row: int, url: str, folder: Path, seconds: int) -> "subprocess.Popen[str]":
        """wrk, which asks for one row for some seconds; `add` counts what it prints."""
        script = folder / "wrk.lua"
        script.write_text(script_for(known, row))
        command = ["wrk", "--threads", "1", "--connections", str(_CONNECTIONS), "--duration", f"{seconds}s"]
        return subprocess.Popen(
            [*command, "--timeout", "30s", "--latency", "--script", str(script), f"{url}/models/live/predict"],
            stdout=subprocess.PIPE,
            text=True,
        )

    def add(self, output: str, counts: Counts) -> None:
        """Count what wrk has printed."""
        _, is_there, found = output.partition("FOUND ")
        if not is_there:
            counts.fail("request, wrk", f"wrk has not ended well: {output}")
            return
        one = json.loads(found.splitlines()[0])
        self.requests += one["requests"]
        self.lost += one["lost"]
        self.percentiles.append(one["percentiles"])
        counts.calls["request, wrk"] += one["requests"]
        counts.wrong["request, wrk"] += one["wrong"]
        if one["refused"]:
            counts.failed["request, wrk"] += one["refused"]
            counts.note("request, wrk", f"{one['refused']} were not answered with 200")


def has_wrk() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


def script_for(known: Known, row: int) -> str:
    """A script that sends one of the rows, and checks what comes."""
    first, second = known.probabilities[:, row].tolist()
    values = ", ".join(map(repr, known.rows[row].tolist()))
    return _SCRIPT % {"first": first, "second": second, "row": values, "tolerance": TOLERANCE}
