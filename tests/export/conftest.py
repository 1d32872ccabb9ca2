"""Small exports for all tests of the exporter, and artifacts that many of them look at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from quick_exports import few_probes, few_timed_calls, one_registry
from table_module import Table, drawn_rows, example

from edge_export import Budget, Export, Format, Precision, export, export_checkpoint
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.verify import probe_inputs
from edge_train import four_blobs, save_checkpoint, train


@pytest.fixture(scope="session", autouse=True)
def quick() -> Iterator[None]:
    # As exports do; on a busy machine several threads wait for each other.
    torch.set_num_threads(1)
    with one_registry(), few_timed_calls():
        yield


@pytest.fixture(autouse=True)
def probes() -> Iterator[None]:
    """Few probe inputs, in slow tests too; the tests of the verification and tests/parity have all of them."""
    with few_probes():
        yield


@pytest.fixture(scope="session")
def table() -> Program:
    """A module for a table of every kind of columns, captured."""
    return capture(Table(), example(Table()))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's model.pt."""
    path = tmp_path_factory.mktemp("trained") / "model.pt"
    save_checkpoint(train(four_blobs(0)).model, path)
    return path


@pytest.fixture(scope="session")
def example_exports(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Export]:
    """The example in every format and precision, verified on all probe inputs."""
    assert max(probe_inputs.BATCH_SIZES) > 1000, "ask for it as an argument of the test, before probes become few"
    folder = tmp_path_factory.mktemp("example")
    rows = dict(four_blobs(0).train.inputs)
    return export_checkpoint(trained, folder, formats=list(Format), precisions=list(Precision), data=rows)


@pytest.fixture(scope="session")
def table_exports(tmp_path_factory: pytest.TempPathFactory) -> list[Export]:
    """A module for a table with strings and missing values, likewise, on few probe inputs."""
    folder, module = tmp_path_factory.mktemp("table"), Table()
    with few_probes():
        return export(
            module,
            example(module),
            folder / "model.onnx",
            formats=list(Format),
            precisions=list(Precision),
            data=drawn_rows(),
            budget=Budget(0.1, 0.2),
        )
