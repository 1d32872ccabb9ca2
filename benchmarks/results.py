"""What a run of the benchmark gives, as it is written to results.json."""

from typing import TypedDict

from benchmarks.inference import Rates
from benchmarks.shell import Shell
from benchmarks.timing import Cell


class Results(TypedDict, total=False):
    """Every figure of a run; a part that was not measured is absent.

    Keys:
        machine: what it ran on.
        latency: of one row that is a Python list, by model.
        throughput: of one call with many rows, by model and batch.
        threads: of calls from several threads at once on the example's network, by batch and contestant.
        tensors: of `run`, by how many tensors go in and come out.
        loading: of opening a file, by model, and by whether its signature is new to the process.
        shell: of whole commands.
        startup: seconds of each part of whole commands.
        sizes: bytes of installs, or why there is no figure.
    """

    machine: dict[str, str]
    latency: dict[str, Cell]
    throughput: dict[str, dict[str, Cell]]
    threads: dict[str, dict[str, Rates]]
    tensors: dict[str, Cell]
    loading: dict[str, Cell]
    shell: Shell
    startup: dict[str, dict[str, float]]
    sizes: dict[str, int | str]
