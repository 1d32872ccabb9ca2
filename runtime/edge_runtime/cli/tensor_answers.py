"""Answers to arrays at the shell: of labels where the model has them, and its outputs as they are."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.cli.answers import Asked, answer_writer
from edge_runtime.cli.tensor_files import for_inputs, output_content, output_json
from edge_runtime.contract import shell
from edge_runtime.contract.atomic_files import write_files
from edge_runtime.contract.progress import Progress
from edge_runtime.contract.terminal import printable
from edge_runtime.rows.tensor_reader import TensorReader

if TYPE_CHECKING:
    from edge_runtime.predictor import Predictor


def answer_arrays(predictor: "Predictor", given: Any, source: str, output: Path | None, asked: Asked) -> None:
    """Answer arrays: write the raw outputs to a file, or labels and probabilities to stdout.

    A model that does not say what its outputs mean writes them to stdout as JSON.

    Args:
        predictor: the model.
        given: an array, or arrays by input name; see `for_inputs`.
        source: what to call them in messages.
        output: where the raw outputs go; None to answer on stdout.
        asked: how answers are written.

    Raises:
        InvalidInput: the arrays do not fit the model, or its outputs do not fit the file.
        CannotWrite: the file cannot be written.
        UsageError: what is asked is not for arrays, or not for this model.
    """
    if asked.flag_unseen:
        raise shell.UsageError("--flag-unseen is for rows of named features, and not for arrays")
    arrays = for_inputs(given, predictor.inputs, predictor.overridable_initializers, source, shell.note)
    answers_labels = asked.output_format == "csv" or asked.top is not None or asked.interval is not None
    if output is None and predictor.signature is None and answers_labels:
        raise shell.UsageError(
            "the model does not say what its outputs mean, so they have no labels; they are written as JSON, or with "
            "--output to an .npz file"
        )
    with Progress(f"answering {printable(source)}"):
        if output is not None:
            write_files({output: output_content(predictor.run(arrays), output)})
            return
        if predictor.signature is None:
            answers = output_json(predictor.run(arrays))
        else:
            header, lines = answer_writer(predictor, asked)
            answered = next(spec for spec in predictor.outputs if spec.name == predictor.signature.output)
            answers = header + lines(TensorReader(predictor.inputs, answered.shape[0]).tensors(arrays))
    sys.stdout.write(answers)
