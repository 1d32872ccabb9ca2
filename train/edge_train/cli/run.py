"""What `edge-train` does with the rows: train a network, measure it, and write the results."""

import contextlib
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime.contract.atomic_files import write_files
from edge_runtime.contract.errors import DeviceUnavailable
from edge_runtime.contract.file_locks import locked
from edge_runtime.contract.progress import Progress
from edge_runtime.contract.terminal import printable
from edge_train.cli.goals import Goal
from edge_train.cli.outputs import Outputs, prepare_outputs
from edge_train.cli.summary import calibration_line, distillation_line, imbalance_line, threshold_line
from edge_train.conformal import conformal_scores, coverage_line, coverage_measures
from edge_train.dataset import Dataset
from edge_train.errors import TableError
from edge_train.importance import importance_line, permutation_importance
from edge_train.loop import torchrun
from edge_train.loop.distributed import ProcessGroup, join_torchrun_group
from edge_train.loop.evaluation import mean_loss
from edge_train.loop.held_out import HeldOut, Trained, sharpened
from edge_train.loop.new_network import new_network
from edge_train.loop.progress import Checkpointer
from edge_train.loop.settings import Settings, learns_all_rows
from edge_train.loop.train import REPORT_EVERY, train
from edge_train.loop.training_run import TrainingRun
from edge_train.metrics import as_text, measure_answers, of_probabilities
from edge_train.networks.answers import answers, scaled_answers
from edge_train.networks.checkpoint import checkpoint_bytes
from edge_train.networks.table_net import SCALE
from edge_train.thresholds import Places, Probabilities, imbalance

# From so many values in the training rows on, `auto` takes a GPU: with fewer, starting it takes longer than training.
_MANY_VALUES = 10_000_000
_SHOWN_EPOCHS = 20


def run(
    dataset: Dataset,
    settings: Settings,
    device_name: str,
    outputs: Outputs,
    *,
    resume: bool,
    is_example: bool,
    goal: Goal | None = None,
    distill: bool = False,
) -> None:
    """Train a network on `dataset`, measure it on the test rows, and write model.pt and all else that is asked for.

    Args:
        dataset: the rows; there are some to test.
        settings: how to train.
        device_name: "auto", "cpu", "cuda" or "cuda:N".
        outputs: where the results go.
        resume: whether to continue the run in `outputs.checkpoint`.
        is_example: whether to report as the example does: losses on the test rows, and no table of measures.
        goal: of the threshold between two classes; None for 0.5, with a warning if the rare class is then hardly ever
            predicted. Only a number can be had without rows that are held out.
        distill: whether the network's members, of which there are several, are distilled into one.

    Raises:
        EdgePredictError: what went wrong, in one line; earlier files stay as they were.
    """
    device = choose_device(device_name, dataset)
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(join_torchrun_group(device))
        if group.leads:
            prepare_outputs(outputs)
            stack.enter_context(locked(outputs.locked))
        checkpointer = None if outputs.checkpoint is None else Checkpointer(outputs.checkpoint, resume)
        trained = _train(dataset, settings, device, group, checkpointer, is_example, distill)
        if group.leads:
            for one in (trained.measured, trained.final):
                _set_conformal(one)
            _set_threshold(trained, goal)
            measures = _measure(dataset, settings, trained, is_example)
            _write(dataset, settings, trained, measures, outputs)


def choose_device(name: str, dataset: Dataset) -> torch.device:
    """The device that `name` means to this process: of several on one machine, each takes a GPU of its own.

    Args:
        name: "auto", "cpu", "cuda" or "cuda:N".
        dataset: the rows to train on; many of them let `auto` take a GPU.

    Raises:
        DeviceUnavailable: torch cannot use that GPU.
    """
    if name == "auto":
        values = sum(array.size for array in dataset.train.inputs.values())
        name = "cuda" if torch.cuda.is_available() and values >= _MANY_VALUES else "cpu"
    if name == "cuda":
        name = f"cuda:{torchrun.local_rank()}"
    device = torch.device(name)
    if device.type == "cuda" and not (torch.cuda.is_available() and device.index < torch.cuda.device_count()):
        cause = "" if torch.version.cuda else ", which is built for the CPU only"
        raise DeviceUnavailable(f"{name} is not available to torch{cause}; use --device cpu")
    return device


def _train(
    dataset: Dataset,
    settings: Settings,
    device: torch.device,
    group: ProcessGroup,
    checkpointer: Checkpointer | None,
    is_example: bool,
    distill: bool,
) -> TrainingRun:
    network = new_network(dataset, settings)
    every = REPORT_EVERY if is_example else max(1, settings.epochs // _SHOWN_EPOCHS)
    bar: contextlib.AbstractContextManager[Progress | None] = (
        Progress("training", settings.epochs) if group.leads else contextlib.nullcontext()
    )
    with bar as progress:

        def report(epoch: int, loss: float, evaluation: float | None) -> None:
            if progress is None:
                return
            if epoch % every == 0:
                shown = f"  validation loss {evaluation:.3f}" if settings.validation and evaluation is not None else ""
                progress.write(f"epoch {epoch:>5}  training loss {loss:.3f}{shown}")
            progress.done = epoch + 1

        def report_distillation(done: int, steps: int) -> None:
            if progress is not None:
                progress.label, progress.total, progress.done = "distilling", steps, done

        if progress is not None and is_example and dataset.test is not None:
            progress.write(f"test loss before training {mean_loss(network, dataset.test):.3f}")
        return train(
            dataset,
            settings,
            network=network,
            all_rows=learns_all_rows(len(dataset.train) + len(dataset.test or ())),
            distill=distill,
            device=str(device),
            group=group,
            checkpointer=checkpointer,
            on_epoch=report,
            on_distillation=report_distillation,
        )


def _set_conformal(trained: Trained) -> None:
    """Let a network carry what intervals or prediction sets are made of, if its members held out enough rows."""
    network, known = trained.network, trained.held_out
    if known is not None:
        output = None if known.scale is None else SCALE
        scores = conformal_scores(network.signature, known.answers, known.target, known.scale, output, known.factor)
        network.signature = replace(network.signature, conformal=scores)


def _set_threshold(trained: TrainingRun, goal: Goal | None) -> None:
    """Let the networks carry the threshold that suits `goal`; without one, warn if 0.5 neglects a rare class.

    Both carry the same, so that the measures on the test rows, which it was found without, are those of the one in use.
    """
    network, known = trained.measured.network, trained.measured.held_out
    labels = network.signature.labels
    if goal is not None:
        if known is None and goal.kind != "number":
            raise TableError(f"--threshold {goal.kind} needs rows that are held out; give a number")
        threshold = goal.threshold(lambda: _of_two_classes(known))
        for one in (network, trained.model):
            one.signature = replace(one.signature, threshold=threshold)
        print(threshold_line(goal, threshold, labels))
    elif len(labels) == 2 and known is not None and 0 < known.target.mean() < 1:
        found = imbalance(*_of_two_classes(known), network.signature.threshold)
        if found.matters:
            print(imbalance_line(found, labels), file=sys.stderr)


def _of_two_classes(known: HeldOut | None) -> tuple[Probabilities, Places]:
    """The probabilities of the second class, and the places of the classes."""
    assert known is not None
    return known.answers[:, 1], known.target.astype(np.int64)


def _measure(dataset: Dataset, settings: Settings, trained: TrainingRun, is_example: bool) -> dict[str, Any]:
    """What is found of the network on the test rows, as metrics.json has it; it is printed too."""
    network, test = trained.measured.network, dataset.test
    assert test is not None
    found, scale = scaled_answers(network, test)
    measures = measure_answers(network.signature, found, test.target)
    importance = permutation_importance(network, test, settings.seed)
    if is_example:
        print(f"test loss after training {mean_loss(network, test):.3f}  accuracy {measures['accuracy']:.3f}")
    else:
        print(f"weights of epoch {trained.epoch} of {len(trained.losses)}; on the {len(test):,} test rows:")
        print(as_text(measures, network.signature.labels))
        if (factor := trained.measured.sharpness) is not None:
            before = of_probabilities(sharpened(found, 1 / factor), test.target.astype(np.int64))
            measures["calibration"] = {"temperature": 1 / factor, "before": before}
            print(calibration_line(1 / factor, before, measures))
        if network.signature.conformal is not None:
            coverage = coverage_measures(network.signature, found, test.target, scale)
            measures["prediction_sets" if network.signature.labels else "intervals"] = coverage
            print(coverage_line(network.signature, coverage))
        if (ensemble := trained.measured.ensemble) is not None:
            of_members = measure_answers(network.signature, answers(ensemble, test), test.target)
            print(distillation_line(ensemble.members, of_members, measures))
            measures["ensemble"] = {"members": ensemble.members, **of_members}
        if importance is not None:
            print(importance_line(importance))
    return {"test": measures, "importance": None if importance is None else asdict(importance)}


def _write(
    dataset: Dataset, settings: Settings, trained: TrainingRun, measures: dict[str, Any], outputs: Outputs
) -> None:
    network = trained.model
    parts = {"train": dataset.train, "test": dataset.test}
    document = {
        "task": network.signature.task,
        "target_labels": list(network.signature.labels),
        "rows": {name: len(part) for name, part in parts.items() if part is not None},
        "epochs": {"trained": len(trained.losses), "taken": trained.epoch},
        **measures,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    # All or none, since measures beside another model would be taken for its own.
    files: dict[Path, bytes | Path | None] = {
        outputs.model: checkpoint_bytes(network),
        outputs.metrics: text.encode(),
    }
    try:
        pictures = _pictures(dataset, settings, trained, document, outputs)
    except BaseException:
        # What took hours does not depend on its drawing.
        write_files(files)
        raise
    write_files(files | pictures)
    print(printable(f"wrote {outputs.model} and {outputs.metrics}"))
    for path, content in pictures.items():
        if content is not None:
            print(printable(f"wrote {path}"))
    if outputs.plots is not None and dataset.test is not None and network.signature.labels:
        from edge_train.plots import few_to_calibrate

        if reason := few_to_calibrate(dataset.test.target, network):
            print(f"no calibration plot: {reason}")


def _pictures(
    dataset: Dataset, settings: Settings, trained: TrainingRun, document: dict[str, Any], outputs: Outputs
) -> dict[Path, bytes | Path | None]:
    """The plots and the report; None for plots of an earlier run, which are to be removed."""
    files: dict[Path, bytes | Path | None] = {}
    # matplotlib takes a second to import.
    if outputs.plots is not None:
        from edge_train.plots import plot_contents

        files |= plot_contents(dataset, trained, outputs.plots)
    if outputs.report is not None:
        from edge_train.report.page import write_report

        files[outputs.report] = write_report(dataset, settings, trained, document).encode()
    return files
