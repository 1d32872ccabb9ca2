"""`Predictor`: a model file that answers."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_runtime.arrays import TensorSpec, as_matrix, as_tensor
from edge_runtime.errors import InvalidInput, InvalidModel, NoSignature
from edge_runtime.session import Session
from edge_runtime.signature import METADATA_KEY, Label, Signature


class Prediction(NamedTuple):
    """The answer to one row.

    Attributes:
        label: the predicted class.
        probability: of that label, from 0 to 1; NaN where the row leads to none.
    """

    label: Label
    probability: float


class Predictor:
    """An opened model. Safe to use from several threads at once; survives pickling by opening the model again.

    Attributes:
        signature: what a row and an answer mean; None for an ONNX file from elsewhere, which only `run` can use.
        inputs: the input tensors as the file declares them.
        outputs: the output tensors as the file declares them.
        provider: the ONNX Runtime provider that it really runs on, such as "CPUExecutionProvider".
    """

    def __init__(self, model: str | os.PathLike[str] | bytes, device: str = "auto") -> None:
        """Open a model.

        Args:
            model: the path of an ONNX file, or the content of one.
            device: "auto" takes CUDA where it really comes up and the CPU elsewhere; "cpu"; "cuda" or "cuda:N" runs
                there or raises; or the name of an ONNX Runtime provider.

        Raises:
            ModelNotFound: there is no such file.
            InvalidModel: it is not an ONNX model, is damaged, or is of a newer kind than this version reads.
            UnknownDevice: no device goes by that name.
            DeviceUnavailable: the device cannot be used here; the message says why.
            RuntimeNotInstalled: ONNX Runtime is missing, or two of its packages overwrite each other.
        """
        source = bytes(model) if isinstance(model, bytes | bytearray | memoryview) else Path(model)
        self._session = Session(source, device)
        # What opens the same model again, wherever the process has gone by then.
        self._arguments = (source if isinstance(source, bytes) else source.absolute(), device)
        self.inputs: tuple[TensorSpec, ...] = self._session.inputs
        self.outputs: tuple[TensorSpec, ...] = self._session.outputs
        self.provider: str = self._session.provider
        self.signature: Signature | None = self._read_signature()

    def __reduce__(self) -> tuple[type["Predictor"], tuple[Path | bytes, str]]:
        return type(self), self._arguments

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """The labels, shape (classes,), in the order of `predict_proba`'s columns. Raises NoSignature."""
        return np.array(self.required_signature.labels)

    def predict(self, rows: Any) -> npt.NDArray[Any]:
        """The predicted labels of `rows`.

        Args:
            rows: one row, shape (features,), or many, shape (rows, features): arrays, lists or tuples of any numbers.

        Returns:
            Labels, shape (rows,), of the labels' own type. A row whose probability is NaN gets `classes_[0]`.

        Raises:
            InvalidInput: a row has the wrong number of values, or a value is no number that fits the model's type.
            NoSignature: the model does not say what its outputs mean.
        """
        signature = self.required_signature
        positive = signature.is_positive(self._positive_probability(rows, signature))
        predicted: npt.NDArray[Any] = self.classes_[positive.astype(np.intp)]
        return predicted

    def predict_proba(self, rows: Any) -> npt.NDArray[np.floating[Any]]:
        """The probabilities of `rows`.

        Args and raises: as `predict`.

        Returns:
            Probabilities, shape (rows, classes), of the model's own floating type, columns in the order of `classes_`.
        """
        positive = self._positive_probability(rows, self.required_signature)
        return np.stack([1 - positive, positive], axis=1)

    def predict_one(self, row: Any) -> Prediction:
        """The label of one row and that label's probability.

        Args:
            row: shape (features,), or (1, features).

        Raises:
            InvalidInput, NoSignature: as `predict`.
        """
        signature = self.required_signature
        positive = self._positive_probability(row, signature)
        if positive.size != 1:
            raise InvalidInput(f"predict_one takes one row, found {positive.size}; use predict or predict_proba")
        if signature.is_positive(positive[0]):
            return Prediction(signature.labels[1], float(positive[0]))
        return Prediction(signature.labels[0], float(1 - positive[0]))

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """All outputs of any ONNX model, by name.

        Args:
            inputs: a value for every input tensor, by name; cast to the declared type where no meaning is lost.

        Returns:
            The outputs by name, as ONNX Runtime gives them: arrays for tensors.

        Raises:
            InvalidInput: an input is missing, unknown, or of another kind or shape than declared.
            InferenceFailed: ONNX Runtime failed while computing.
        """
        declared = [spec.name for spec in self.inputs]
        missing = [name for name in declared if name not in inputs]
        unknown = [name for name in inputs if name not in declared]
        if missing or unknown:
            found = f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(unknown)}"
            raise InvalidInput(f"the model takes {'; '.join(map(str, self.inputs)) or 'no input'}: {found}")
        feed = {spec.name: as_tensor(inputs[spec.name], spec) for spec in self.inputs}
        return dict(zip((spec.name for spec in self.outputs), self._session.run(None, feed), strict=True))

    def _positive_probability(self, rows: Any, signature: Signature) -> npt.NDArray[np.floating[Any]]:
        """The probability of `labels[1]`, shape (rows,)."""
        spec = self.inputs[0]
        matrix = as_matrix(rows, spec, tuple(feature.name for feature in signature.features))
        output = self._session.run([signature.output], {spec.name: matrix})[0]
        return output[:, 0]  # type: ignore[no-any-return]

    @property
    def required_signature(self) -> Signature:
        """`signature` for code that cannot do without. Raises NoSignature where there is none."""
        if self.signature is None:
            raise NoSignature(
                "the model carries no edge-predict signature, so its outputs have no labels; "
                "Predictor.run gives them by name"
            )
        return self.signature

    def _read_signature(self) -> Signature | None:
        text = self._session.metadata.get(METADATA_KEY)
        if text is None:
            return None
        signature = Signature.from_json(text)
        # The tensors as the signature knows them must be the ones in the graph, or the answers would be about
        # something else.
        described = {tensor.name: len(tensor.features) for tensor in signature.inputs}
        declared = {spec.name: spec.shape[-1] if len(spec.shape) == 2 else None for spec in self.inputs}
        columns = {spec.name: spec.shape[-1] if len(spec.shape) == 2 else None for spec in self.outputs}
        floating = {
            spec.name for spec in (*self.inputs, *self.outputs) if spec.dtype is not None and spec.dtype.kind == "f"
        }
        fits = described == declared and len(declared) == 1 and columns.get(signature.output) == 1
        if not fits or not {*declared, signature.output} <= floating:
            raise InvalidModel("the signature does not describe this graph; export the model again")
        return signature
