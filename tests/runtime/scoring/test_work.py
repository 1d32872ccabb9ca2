"""What is made of blocks is the same on threads, in another process, and with or without the header."""

import pickle
from pathlib import Path

import pytest
from paths import MODELS
from penguin_rows import ROWS

from edge_runtime import Predictor
from edge_runtime.contract.limits import DEFAULTS
from edge_runtime.reloadable import opener

pa = pytest.importorskip("pyarrow")


from edge_runtime.scoring.formats import Format  # noqa: E402
from edge_runtime.scoring.options import Options  # noqa: E402
from edge_runtime.scoring.sources import open_source  # noqa: E402
from edge_runtime.scoring.work import Threads, Work  # noqa: E402


def test_work_elsewhere(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    pa.csv.write_csv(pa.Table.from_pylist(ROWS * 50_000), table)
    predictor = Predictor(MODELS / "penguins.onnx", device="cpu")
    source = open_source(table, Options(), DEFAULTS)
    work = Work(predictor, source.names, source.decimal, Format("csv"), Options(keep=["year"]))
    assert work.columns == ["island", "bill", "mass", "ringed", "year"]
    here = list(Threads(2).done(work, source, None))
    assert len(here) > 1
    assert [bool(done.header) for done in here].count(True) >= 1
    open_there, arguments = pickle.loads(pickle.dumps((opener(predictor, "cpu", 1), work.arguments)))
    elsewhere = Work(open_there(), *arguments)
    for done, block in zip(here, pickle.loads(pickle.dumps(source.again))([table]).blocks(None, []), strict=True):
        there = elsewhere(pickle.loads(pickle.dumps(block)), with_header=False)
        assert bytes(there.piece) == bytes(done.piece)
        assert (there.end, there.read, there.tally, there.header) == (done.end, done.read, done.tally, b"")
