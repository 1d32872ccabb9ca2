"""A cluster of Ray gives what one machine gives, row for row, rejects and summary included, whatever dies meanwhile.

`make test-scale` runs it, where Ray is installed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import MODELS
from penguin_rows import ROWS as ROWS_OF_PENGUINS

from edge_runtime import InvalidInput, Predictor, score
from edge_runtime.contract.limits import DEFAULTS

ray, cluster_utils = pytest.importorskip("ray"), pytest.importorskip("ray.cluster_utils")

import pyarrow as pa  # noqa: E402 - Ray has it
import pyarrow.csv  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from edge_runtime.scoring import ray_engine  # noqa: E402
from edge_runtime.scoring.features import features_of  # noqa: E402
from edge_runtime.scoring.formats import Format  # noqa: E402
from edge_runtime.scoring.options import Options  # noqa: E402
from edge_runtime.scoring.sources import open_source  # noqa: E402
from edge_runtime.scoring.work import Threads, Work  # noqa: E402

MODEL = str(MODELS / "penguins.onnx")
ROWS = 120_000


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one processor each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    found = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    found.add_node(num_cpus=1)
    yield found
    # Ray connects this process anew, by itself, if one of its threads outlives a run that ended early by two seconds.
    ray.shutdown()
    found.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows as two files of CSV, and as Parquet in groups; some cannot be answered."""
    folder, random = tmp_path_factory.mktemp("rows"), np.random.default_rng(0)
    rows = pa.table(
        {
            "id": np.arange(ROWS),
            "island": random.choice(["Dream", "Biscoe", "Foo", ""], ROWS),
            "bill": random.uniform(30, 60, ROWS),
            "mass": random.integers(2700, 6300, ROWS),
            "ringed": random.choice(["true", "false", "maybe"], ROWS, p=[0.5, 0.499, 0.001]),
            "year": random.choice(["2007", "2008"], ROWS),
        }
    )
    pa.csv.write_csv(rows[:50_000], folder / "a.csv")
    pa.csv.write_csv(rows[50_000:], folder / "b.csv")
    with (folder / "b.csv").open("a") as file:
        file.write('1,2\n"never closed,1,1,1,true,2007\n')
    pq.write_table(rows, folder / "rows.parquet", row_group_size=30_000)
    return folder


def sources(folder: Path) -> dict[str, Any]:
    return {"csv": [folder / "a.csv", folder / "b.csv"], "parquet": folder / "rows.parquet"}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_two_nodes(cluster: Any, folder: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "_ROWS", 40_000)
    found: dict[str | None, list[Any]] = {}
    for engine in (None, "ray"):
        target = tmp_path / f"{engine}.{kind}"
        address = cluster.address if engine else None
        rejects, summary = tmp_path / f"{engine}-rejects.csv", tmp_path / f"{engine}.json"
        options: dict[str, Any] = {"engine": engine, "address": address, "rejects": rejects, "summary": summary}
        score(MODEL, sources(folder)[kind], target, keep=["id"], **options)
        content = pq.read_table(target) if kind == "parquet" else target.read_bytes()
        found[engine] = [content, rejects.read_bytes(), summary.read_bytes()]
    assert found[None] == found["ray"]
    assert len(found["ray"][1].splitlines()) > 50


def test_a_worker_is_killed(cluster: Any, folder: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    score(MODEL, sources(folder)["csv"], one, rejects=tmp_path / "one-rejects.csv")
    command = [sys.executable, "-m", "edge_runtime", MODEL, "--input", str(folder / "*.csv"), "--output", str(other)]
    command += ["--rejects", str(tmp_path / "other-rejects.csv"), "--engine", "ray", "--address", cluster.address]
    killed = 0
    with subprocess.Popen(command) as running:
        while running.poll() is None:
            if not killed:
                killed = kill_worker(cluster)
            time.sleep(0.01)
    assert running.returncode == 0
    assert killed
    assert other.read_bytes() == one.read_bytes()
    assert (tmp_path / "other-rejects.csv").read_bytes() == (tmp_path / "one-rejects.csv").read_bytes()


def kill_worker(cluster: Any) -> int:
    """Kill a worker of the cluster that is at work, and return its process; 0 if there is none."""
    raylets = [f"PPid:\t{node.all_processes['raylet'][0].process.pid}\n" for node in cluster.list_all_nodes()]
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_worker = (entry / "cmdline").read_bytes().startswith(b"ray::MapWorker(MapBatches")
            if is_worker and any(line in (entry / "status").read_text() for line in raylets):
                os.kill(int(entry.name), signal.SIGKILL)
                return int(entry.name)
    return 0


def test_strict(cluster: Any, folder: Path, tmp_path: Path) -> None:
    messages = []
    for engine, address in ((None, None), ("ray", cluster.address)):
        with pytest.raises(InvalidInput) as caught:
            score(MODEL, folder / "a.csv", tmp_path / "x.csv", strict=True, engine=engine, address=address)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_read_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^the stream is not a file that all nodes see; answer it without"):
        score(MODEL, pa.Table.from_pylist(ROWS_OF_PENGUINS), tmp_path / "x.csv", engine="ray")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_going_on(cluster: Any, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "_ROWS", 40_000)
    predictor = Predictor(MODEL, device="cpu")
    source = open_source(sources(folder)[kind], Options(), DEFAULTS, features_of(predictor))
    work = Work(predictor, source.names, source.decimal, Format("csv"), Options())
    engine = ray_engine.RayEngine(cluster.address, 2, "cpu")
    every = [*engine.done(work, source, None)]
    assert [done.end for done in every] == [done.end for done in Threads(1).done(work, source, None)]
    for count in (1, len(every) - 1):
        rest = [*engine.done(work, source, every[count - 1].end)]
        assert b"".join(done.piece for done in rest) == b"".join(done.piece for done in every[count:])
        assert (rest[-1].end, rest[-1].read) == (every[-1].end, every[-1].read)
        rejected, expected = ([one for done in part for one in done.rejected] for part in (rest, every[count:]))
        assert rejected == expected


def test_a_source_without_rows(cluster: Any, folder: Path, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(folder / "rows.parquet")[:0], tmp_path / "none.parquet")
    target = tmp_path / "answers.csv"
    found = score(MODEL, tmp_path / "none.parquet", target, engine="ray", address=cluster.address)
    assert (found.rows, len(target.read_text().splitlines())) == (0, 1)


def test_a_cluster_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_runtime", MODEL, "--input", str(folder / "a.csv")]
    command += ["--output", str(tmp_path / "x.csv"), "--engine", "ray", "--address", "127.0.0.1:9"]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1] == "error: Ray: there is no cluster at 127.0.0.1:9: Connection refused"
    assert "Traceback" not in found.stderr
