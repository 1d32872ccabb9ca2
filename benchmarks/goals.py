"""The goals, as ratios within one run on two cores, and how far a run reaches them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.inference import ONE, OURS_ONE
from benchmarks.models import EXAMPLE
from benchmarks.peers import ORT_BINDING, ORT_DEFAULT, ORT_ONE, OURS, TORCH, TORCHSCRIPT
from benchmarks.results import Results
from benchmarks.shell import BARE_SCRIPT, TORCH_SCRIPT
from benchmarks.sizes import BARE, PACKAGE
from benchmarks.tensors import SESSION_RUN
from benchmarks.timing import Cell, Quartiles

_LARGE, _FEW = 16_384, 2


@dataclass(frozen=True)
class Outcome:
    """One goal and what a run says about it.

    Attributes:
        what: the ratio.
        goal: the limit, with its direction.
        cells: every ratio that the goal speaks of, by where it was measured.
        limit: the number in `goal`.
        at_least: whether the ratio should be above the limit and not below.
    """

    what: str
    goal: str
    cells: Mapping[str, Quartiles]
    limit: float
    at_least: bool = False

    @property
    def worst(self) -> tuple[str, Quartiles] | None:
        """The ratio farthest on the wrong side; None if nothing was measured."""
        sign = -1 if self.at_least else 1
        return max(self.cells.items(), key=lambda cell: sign * cell[1]["median"], default=None)

    @property
    def missed(self) -> dict[str, Quartiles]:
        """The ratios that do not reach the goal."""
        return {where: value for where, value in self.cells.items() if not self._reaches(value["median"])}

    @property
    def verdict(self) -> str:
        """Met, missed, or not measured."""
        if not self.cells:
            return "not measured"
        if not self.missed:
            return "met"
        return "missed" if len(self.cells) == 1 else f"missed in {len(self.missed)} of {len(self.cells)}"

    def _reaches(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


def outcomes(results: Results) -> list[Outcome]:
    """Every goal, in the order of the specification."""
    latency, throughput = results.get("latency", {}), results.get("throughput", {})
    example = {EXAMPLE: latency[EXAMPLE]} if EXAMPLE in latency else {}
    batches = dict(_throughput(throughput))
    million = f"{EXAMPLE}, {rows_in(1_000_000)}"
    shell, sizes = results.get("shell"), results.get("sizes", {})
    wall, memory = (shell["over"], shell["memory_over"]) if shell else ({}, {})
    ours, bare = sizes.get(PACKAGE), sizes.get(BARE)
    size = ours / bare if isinstance(ours, int) and isinstance(bare, int) else None
    return [
        _at_most("predict_one, 2-5-1, over session.run with np.asarray", 0.45, _over(example, ORT_DEFAULT)),
        _at_most("predict_one, 2-5-1, over IO binding, input in place", 1.5, _over(example, ORT_BINDING)),
        _at_most("predict_one, 2-5-1, over torch eager", 0.25, _over(example, TORCH)),
        _at_most("predict_one, 2-5-1, over TorchScript", 0.4, _over(example, TORCHSCRIPT)),
        _at_most("one row, every model, over torch eager", 1, _over(latency, TORCH)),
        _at_most("one row, every model, over TorchScript", 1, _over(latency, TORCHSCRIPT)),
        _at_most("predict_proba, every model and batch, over the better ORT", 1.05, batches),
        _at_most("the same at 1,000,000 rows of 2-5-1", 0.8, _only(batches, million)),
        *_from_threads(results),
        *_run(results),
        _at_most("edge-predict model.onnx -1 1, wall, over the bare script", 1.15, _only(wall, BARE_SCRIPT)),
        _at_most("the same over the torch.jit script", 0.12, _only(wall, TORCH_SCRIPT)),
        _at_most("peak memory of the same over the bare script", 1.1, _only(memory, BARE_SCRIPT)),
        _at_most(
            "Predictor(path) over InferenceSession(path)",
            1.2,
            {
                model: quartiles
                for model, cell in results.get("loading", {}).items()
                for quartiles in cell["over"].values()
            },
        ),
        _at_most(
            "installed size of edge-predict[cpu] over numpy + onnxruntime",
            1.1,
            {} if size is None else {"bytes": {"median": size, "low": size, "high": size}},
        ),
        _at_most("--help, wall, over python -c pass + 150 ms", 1, {"--help": shell["help_over"]} if shell else {}),
    ]


def _from_threads(results: Results) -> Iterator[Outcome]:
    """From 16,384 rows on, one call may use all processors, so that eight of them are compared with one on one."""
    rates = results.get("threads", {})
    gains = {rows_in(batch): found[OURS]["gain"] for batch, found in rates.items() if batch != ONE}
    one = {ONE: rates[ONE][OURS]["gain"]} if ONE in rates else {}
    large = {
        rows_in(batch): found[OURS_ONE]["gain"]
        for batch, found in rates.items()
        if batch != ONE and int(batch) >= _LARGE
    }
    yield Outcome("predict_proba from 8 threads, rows/s over one thread's", ">= 1", gains, 1, at_least=True)
    yield Outcome("predict_one from 8 threads, rows/s over one thread's", ">= 1", one, 1, at_least=True)
    what = "predict_proba from 8 threads, 16,384 rows or more, over one thread on one processor"
    yield Outcome(what, ">= 1.8", large, 1.8, at_least=True)


def _run(results: Results) -> Iterator[Outcome]:
    """Models of other tools."""
    over = {int(count): cell["over"][SESSION_RUN] for count, cell in results.get("tensors", {}).items()}
    few = {f"{count} tensors": value for count, value in over.items() if count <= _FEW}
    many = {f"{count} tensors": value for count, value in over.items() if count > _FEW}
    yield _at_most("run, small models with 1 and 2 tensors, over session.run", 1.08, few)
    yield _at_most("run, small models with 4 and 24 tensors, over session.run", 1.1, many)


def skipped(results: Results) -> Iterator[str]:
    """The cells that have no ratio, and why."""
    for model, cells in results.get("throughput", {}).items():
        for batch, cell in cells.items():
            if _better_ort(cell) is None:
                reason = cell["missing"].get(OURS) or cell["missing"].get(ORT_ONE) or "nothing was measured"
                yield f"{model}, {rows_in(batch)}: {reason}"


def _throughput(models: Mapping[str, Mapping[str, Cell]]) -> Iterator[tuple[str, Quartiles]]:
    for model, cells in models.items():
        for batch, cell in cells.items():
            if (better := _better_ort(cell)) is not None:
                yield f"{model}, {rows_in(batch)}", cell["over"][better]


def _better_ort(cell: Cell) -> str | None:
    """Whichever of ONNX Runtime's two ways had the lower median; a minimum of each round would favour luck."""
    known = [name for name in (ORT_ONE, ORT_DEFAULT) if name in cell["over"]]
    return min(known, key=lambda name: cell["seconds"][name]["median"], default=None)


def _over(cells: Mapping[str, Cell], peer: str) -> dict[str, Quartiles]:
    return {model: cell["over"][peer] for model, cell in cells.items() if peer in cell["over"]}


def _only(cells: Mapping[str, Quartiles], name: str) -> dict[str, Quartiles]:
    return {key: value for key, value in cells.items() if key == name}


def _at_most(what: str, limit: float, cells: Mapping[str, Quartiles]) -> Outcome:
    return Outcome(what, f"<= {limit:g}", cells, limit)


def rows_in(batch: str | int) -> str:
    """How a batch is named."""
    if batch == ONE:
        return ONE
    return f"{int(batch):,} rows" if int(batch) > 1 else "1 row"
