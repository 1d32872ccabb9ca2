"""Artifacts of today's exporter for the tests of the npm package."""

from contextlib import ExitStack
from pathlib import Path

import date_module
import torch
from paths import FOUR_BLOBS
from quick_exports import few_probes, few_reference_rows, few_timed_calls, one_registry
from table_module import Table, example
from zoo import ZOO

from edge_export import export, export_checkpoint
from edge_train import four_blobs, save_checkpoint, train

# Of images; with elements that are compared of many; with integers and several tensors.
MODULES = ("convolutions", "two inputs, two outputs", "embedding of integers")


def exported(folder: Path) -> dict[str, Path]:
    """The example, also in float16 as ORT file, tables with strings, dates and missing values, and modules."""
    torch.set_num_threads(1)
    found = {"example": FOUR_BLOBS}
    with ExitStack() as stack:
        for context in (few_probes(), few_reference_rows(), few_timed_calls(), one_registry()):
            stack.enter_context(context)
        save_checkpoint(train(four_blobs(0)).model, folder / "example.pt")
        rows = dict(four_blobs(0).train.inputs)
        (made,) = export_checkpoint(folder / "example.pt", formats=["ort"], precisions=["float16"], data=rows)
        found["float16"] = made.path
        found["table"] = export(Table(), example(Table()), folder / "table.onnx")[0].path
        found["dates"] = export(date_module.Dated(), date_module.example(), folder / "dates.onnx")[0].path
        for name in MODULES:
            torch.manual_seed(0)
            exhibit = ZOO[name]
            path = folder / f"{name.replace(',', '').replace(' ', '_')}.onnx"
            found[name] = export(exhibit.module(), exhibit.example(), path, **exhibit.options)[0].path
    return found
