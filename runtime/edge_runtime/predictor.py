"""`Predictor`: an opened model that answers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edge_runtime.answering import Answering
from edge_runtime.contract.errors import NoProbabilities, NoSignature
from edge_runtime.contract.extras import require
from edge_runtime.contract.file_signature import signature_in
from edge_runtime.contract.signature import Signature
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.estimator import FittedEstimator
from edge_runtime.explaining import ExplainingPredictor
from edge_runtime.intervals import ConformalPredictor
from edge_runtime.opened_model import OpenedModel
from edge_runtime.prediction import Prediction

if TYPE_CHECKING:
    from pyarrow import RecordBatch


class Predictor(OpenedModel, FittedEstimator, ConformalPredictor, ExplainingPredictor):
    """An opened model that answers rows; `run`, `certificate` and `verify` are those of every `OpenedModel`.

    Several threads may use it at the same time.

    Attributes:
        signature: the meaning of rows and answers; None for an ONNX file without one, which only `run` can use.
        inputs, outputs: the tensors that the file declares.
        input_ranges: which integers the inputs take where the model looks something up with them.
        provider: the ONNX Runtime provider that the model runs on, such as "CPUExecutionProvider". With device="auto"
            large calls may run on CUDA besides.
    """

    _in_use = ("_runner", "_answering")

    def _open(self, source: ModelSource) -> None:
        super()._open(source)
        placement = self._runner.placement
        self.signature: Signature | None = signature_in(placement.main.metadata, self.inputs, self.outputs)
        self._answering = None if self.signature is None else Answering(placement, self.signature)

    def __repr__(self) -> str:
        task = "without a signature" if self.signature is None else self.signature.task
        return f"{type(self).__name__}({self._source!r}, {task}, {self.provider}{', closed' if self.closed else ''})"

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """The labels, shape (classes,), in the order of `predict_proba`'s columns.

        Raises:
            NoProbabilities: the model is a regression.
            NoSignature: the model does not say what its outputs mean.
        """
        return _with_labels(self.answering).classes

    def predict(self, rows: Any) -> npt.NDArray[Any]:
        """The predicted labels of `rows`, or in regression their values.

        Args:
            rows: one row, shape (features,), or many, shape (rows, features), in the order of `signature.features`:
                arrays, lists or tuples. Or by name, in any order and with other names besides: a dict for one row, a
                list of dicts, a `csv.DictReader`, a data frame of pandas, polars or pyarrow, a row of a pandas frame.
                Numeric features take numbers, boolean ones also True, False, 0 and 1, categorical ones strings, and
                numbers if there are numbers among their categories, date ones text, `datetime` and `datetime64`. A
                string is read as the command reads it, for a number too. If a feature's `missing` is not None, a value
                may be missing: None, NaN, NaT, NA, masked, or a missing word (`contract.values`); a dict may lack it if
                `missing` is above 0. If the inputs have no named features, such as images: an array of the declared
                shape, or for several inputs a dict of arrays by input name. One row may be given without the batch
                axis. An empty list has no rows.

        Returns:
            Labels, shape (rows,), of the labels' own type; `classes_[0]` if a row's probability is NaN. In regression
            values in the target's own unit, shape (rows,), of the model's floating type.

        Raises:
            InvalidInput: a row has the wrong number of values, lacks a feature, or a value does not fit its feature; a
                tensor does not have the declared kind and shape.
            NoSignature: the model does not say what its outputs mean.
        """
        # Read once: `reload` may replace it.
        answering = self.answering
        outputs = answering.outputs(rows)
        if answering.signature.task == "regression":
            return outputs[:, 0]
        predicted: npt.NDArray[Any] = answering.classes[answering.signature.predicted(outputs)]
        return predicted

    def predict_proba(self, rows: Any) -> npt.NDArray[np.floating[Any]]:
        """The probabilities of the labels of `rows`.

        Args:
            rows: as `predict`.

        Returns:
            Probabilities, shape (rows, classes), of the model's floating type; the columns are in the order of
            `classes_`.

        Raises:
            NoProbabilities: the model is a regression.
            InvalidInput, NoSignature: as `predict`.
        """
        return _with_labels(self.answering).outputs(rows)

    # Any, so that type checkers let the label of a classifier be used without a check.
    def predict_one(self, row: Any) -> Prediction | Any:
        """The label of one row and that label's probability, or in regression its value, a float.

        Args:
            row: one row, as `predict` takes it.

        Raises:
            InvalidInput, NoSignature: as `predict`.
        """
        if self._answering is None:
            raise _no_signature()
        return self._answering.one(row)

    def stream(self, batches: Any) -> "Iterator[RecordBatch]":
        """The answers to record batches of Arrow, one at a time, so that a table need not fit into memory.

        Args:
            batches: an iterable of `pyarrow.RecordBatch`, or what has `__arrow_c_stream__` or `__arrow_c_array__`, such
                as a frame of polars or pandas. Columns are named as the features, or as inputs without features.

        Yields:
            For each batch a `pyarrow.RecordBatch` of as many rows, with the columns of the command's CSV: `label`,
            `probability`, `probability_<label>`, or `value`. Without a signature: the outputs by name.

        Raises:
            InvalidInput: as `predict`; the message says in which row, the first of all being row 1.
            ExtraNotInstalled: pyarrow is missing; pip install 'edge-predict[tables]'.
        """
        require("pyarrow", "tables", "Predictor.stream")
        from edge_runtime.streaming import BatchAnswering, answered

        return answered(BatchAnswering(self, None if self.signature is None else self.answering), batches)

    def unseen(self, rows: Any) -> list[dict[str, str]]:
        """What in `rows` is unlike everything in the training data, so that their answers may be guesses.

        Args:
            rows: as `predict`.

        Returns:
            For each row, the features with such a value, in a row's order, and why: a number or a date is farther from
            the range in training than half of it, a category is unknown, or a value is missing that never was then.

        Raises:
            NoFeatures: the model takes tensors, so that nothing is known of what training saw.
            InvalidInput, NoSignature: as `predict`.
        """
        answering = self.answering
        return answering.novelty.unseen(answering.row_reader.tensors(rows))

    @property
    def required_signature(self) -> Signature:
        """`signature`, for code that needs one. Raises NoSignature if there is none."""
        if self.signature is None:
            raise _no_signature()
        return self.signature

    @property
    def answering(self) -> Answering:
        """How rows are read and answered, for code that does both by itself. Raises: as `required_signature`."""
        answering = self._answering
        if answering is None:
            raise _no_signature()
        if not answering.is_ready:
            answering.prepare()
        return answering


def _with_labels(answering: Answering) -> Answering:
    if answering.signature.task == "regression":
        raise NoProbabilities(
            "the model is a regression, without labels and probabilities; predict and predict_one return its values"
        )
    return answering


def _no_signature() -> NoSignature:
    return NoSignature(
        "the model has no edge-predict signature, so the meaning of its outputs is unknown; "
        "Predictor.run returns them by name, and so does edge-predict MODEL --input arrays.npz"
    )
