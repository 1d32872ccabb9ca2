"""`Predictor`: an opened model that answers."""

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edge_runtime.answering import Answering, Prediction
from edge_runtime.contract.errors import InvalidInput, NoCertificate, NoProbabilities, NoSignature, VerificationFailed
from edge_runtime.contract.file_signature import signature_in
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY
from edge_runtime.contract.signature import Signature
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.terminal import suggestion
from edge_runtime.engine import cuda
from edge_runtime.engine.devices import CUDA
from edge_runtime.engine.feed_runner import FeedRunner
from edge_runtime.engine.placement import Placement
from edge_runtime.rows.arrays import as_tensor

if TYPE_CHECKING:
    from edge_runtime.contract.certificate import Certificate
    from edge_runtime.verification import Verification


class Predictor:
    """An opened model.

    Several threads may use it at the same time. Pickling keeps the path or the content, and opens the model again.

    Attributes:
        signature: the meaning of rows and answers; None for an ONNX file without one, which only `run` can use.
        inputs: the input tensors that the file declares.
        outputs: the output tensors that the file declares.
        provider: the ONNX Runtime provider that the model runs on, such as "CPUExecutionProvider". With device="auto"
            large calls may run on CUDA besides.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes,
        device: str = "auto",
        verify: bool = False,
        threads: int | None = None,
    ) -> None:
        """Open a model.

        Args:
            model: the path of an ONNX file (.onnx, or .ort in ONNX Runtime's own format), or the content of one.
            device: "auto" uses the CPU, and CUDA, if it works, for the calls that are done sooner there, and for all
                calls of a file that does not say how much work its rows take. "cpu", "cuda" or "cuda:N" uses that
                device or raises, and so does the name of an ONNX Runtime provider.
            verify: whether to raise unless the model passes `verify`.
            threads: the most processors that one call may use on the CPU; by default all of this process.

        Raises:
            ModelNotFound: the file does not exist.
            InvalidModel: it is not an ONNX model, is damaged, or is newer than this version reads.
            InvalidInput: `threads` is not a positive integer.
            UnknownDevice: no device has this name.
            DeviceUnavailable: the device cannot be used here; the message says why.
            RuntimeNotInstalled: ONNX Runtime is missing, or two of its packages overwrite each other.
            NoCertificate: with `verify`, the model does not carry a certificate.
            VerificationFailed: with `verify`, the model is not verified here; the message says why.
        """
        source = bytes(model) if isinstance(model, bytes | bytearray | memoryview) else Path(model)
        self._placement = Placement(source, device, threads)
        self._session = self._placement.main
        # What opens the same model again, in another process and another folder too.
        self._arguments = (self._session.source, device, verify, threads)
        self.inputs: tuple[TensorSpec, ...] = self._session.inputs
        self.outputs: tuple[TensorSpec, ...] = self._session.outputs
        self._input_names = {spec.name for spec in self.inputs}
        self._output_names = [spec.name for spec in self.outputs]
        self._runner = FeedRunner(self._placement, self.outputs)
        self.provider: str = self._session.provider
        self.signature: Signature | None = signature_in(self._session.metadata, self.inputs, self.outputs)
        self._is_regression = self.signature is not None and self.signature.task == "regression"
        self._answering = None if self.signature is None else Answering(self._placement, self.signature)
        if verify and not (verification := self.verify()).passed:
            raise VerificationFailed(verification.failure)

    def __reduce__(self) -> tuple[type["Predictor"], tuple[Path | bytes, str, bool, int | None]]:
        return type(self), self._arguments

    def __repr__(self) -> str:
        task = "without a signature" if self.signature is None else self.signature.task
        return f"Predictor({self._session.shown_source}, {task}, {self.provider})"

    @functools.cached_property
    def classes_(self) -> npt.NDArray[Any]:
        """The labels, shape (classes,), in the order of `predict_proba`'s columns.

        Raises:
            NoProbabilities: the model is a regression.
            NoSignature: the model does not say what its outputs mean.
        """
        self._check_labels()
        classes = np.array(self.required_signature.labels)
        classes.flags.writeable = False
        return classes

    def predict(self, rows: Any) -> npt.NDArray[Any]:
        """The predicted labels of `rows`, or in regression their values.

        Args:
            rows: one row, shape (features,), or many, shape (rows, features), in the order of `signature.features`:
                arrays, lists or tuples. Or by name, in any order and with other names besides: a dict for one row, a
                list of dicts, a data frame of pandas, polars or pyarrow, a row of a pandas frame. Numeric features take
                any number, boolean ones also True, False and their names, categorical ones also strings. If a feature's
                `missing` is not None, its value may be missing: None, NaN, NaT, NA, masked, or a missing word
                (`contract.values`). A dict may leave a feature out if its `missing` is above 0.

        Returns:
            Labels, shape (rows,), of the labels' own type; `classes_[0]` if a row's probability is NaN. In regression
            values in the target's own unit, shape (rows,), of the model's floating type.

        Raises:
            InvalidInput: a row has the wrong number of values, lacks a feature, or a value does not fit its feature.
            NoSignature: the model does not say what its outputs mean.
        """
        outputs = self.answering.outputs(rows)
        if self._is_regression:
            return outputs[:, 0]
        predicted: npt.NDArray[Any] = self.classes_[self.required_signature.predicted(outputs)]
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
        self._check_labels()
        return self.answering.outputs(rows)

    # Any, so that type checkers let the label of a classifier be used without a check.
    def predict_one(self, row: Any) -> Prediction | Any:
        """The label of one row and that label's probability, or in regression its value, a float.

        Args:
            row: one row, as `predict` takes it.

        Raises:
            InvalidInput, NoSignature: as `predict`.
        """
        if self._answering is None:
            raise self._no_signature()
        return self._answering.one(row)

    def unseen(self, rows: Any) -> list[dict[str, str]]:
        """What in `rows` is unlike everything in the training data, so that their answers may be guesses.

        Args:
            rows: as `predict`.

        Returns:
            For each row, the features with such a value, in a row's order, and why: a number is farther from the range
            in training than half of that range, a category is unknown, or a value is missing that never was in
            training.

        Raises:
            InvalidInput, NoSignature: as `predict`.
        """
        # Most programs do not use it.
        from edge_runtime.novelty import unseen

        return unseen(self.required_signature, self.answering.reader.tensors(rows))

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """All outputs of any ONNX model, by name.

        Args:
            inputs: a value for every input tensor, by name, with the declared shape. Any number is cast to a float, and
                integers to other integer types if they fit. If the model runs on CUDA, values may be tensors on the GPU
                of any library that supports DLPack, such as torch and CuPy, with exactly the declared types; they are
                not copied.

        Returns:
            The outputs by name, as ONNX Runtime returns them: arrays for tensors. If an input is on the GPU, they stay
            there, as objects that torch.from_dlpack and cupy.from_dlpack take without a copy.

        Raises:
            InvalidInput: an input is missing, unknown, or does not have the declared kind and shape.
            InferenceFailed: ONNX Runtime failed while computing.
        """
        if inputs.keys() != self._input_names:
            raise self._wrong_inputs(inputs)
        feed, on_cuda = {}, ""
        for spec in self.inputs:
            value = inputs[spec.name]
            if type(value) is not np.ndarray and cuda.is_on_cuda(value):
                feed[spec.name], on_cuda = value, spec.name
            else:
                feed[spec.name] = as_tensor(value, spec)
        if on_cuda:
            session = self._session if self.provider == CUDA else self._placement.cuda
            if session is None:
                raise InvalidInput(f"{on_cuda} is on a GPU, but the model runs on {self.provider}; pass an array")
            return cuda.run_there(session, feed)
        return dict(zip(self._output_names, self._runner.run(feed), strict=True))

    @functools.cached_property
    def certificate(self) -> "Certificate | None":
        """The certificate that the model carries; None if it does not carry one.

        Raises:
            InvalidModel: it is damaged, or its schema is newer than this version reads.
        """
        # Most programs only predict.
        from edge_runtime.contract import certificate

        text = self._session.metadata.get(CERTIFICATE_KEY)
        return None if text is None else certificate.Certificate.from_json(text)

    def verify(self, on_batch: Callable[[], object] | None = None) -> "Verification":
        """Replay the certificate: compare torch's outputs at export with what the model returns here and now.

        Args:
            on_batch: called after each reference batch, to show progress.

        Returns:
            What was found, also if the model does not pass. If large calls may run on CUDA besides the CPU, both are
            verified, and the result is CUDA's, unless the CPU does not pass.

        Raises:
            NoCertificate: the model does not carry a certificate.
            InvalidModel: its certificate is damaged, or its schema is newer than this version reads.
            ModelNotFound: the file does not exist any more.
        """
        if self.certificate is None:
            raise NoCertificate("the model has no certificate to verify it against; edge-export writes one")
        from edge_runtime.verification import replay

        found = replay(self._session, self.certificate, on_batch)
        beside = self._placement.cuda if found.passed else None
        return found if beside is None else replay(beside, self.certificate, on_batch)

    @property
    def required_signature(self) -> Signature:
        """`signature`, for code that needs one.

        Raises:
            NoSignature: the model does not say what its outputs mean.
        """
        if self.signature is None:
            raise self._no_signature()
        return self.signature

    @property
    def answering(self) -> Answering:
        """How rows are read and answered, for code that does both by itself.

        Raises:
            NoSignature: the model does not say what its outputs mean.
        """
        if self._answering is None:
            raise self._no_signature()
        return self._answering

    def _check_labels(self) -> None:
        if self._is_regression:
            raise NoProbabilities(
                "the model is a regression, without labels and probabilities; predict and predict_one return its values"
            )

    def _no_signature(self) -> NoSignature:
        return NoSignature(
            "the model has no edge-predict signature, so the meaning of its outputs is unknown; "
            "Predictor.run returns them by name"
        )

    def _wrong_inputs(self, inputs: Mapping[str, Any]) -> InvalidInput:
        missing = [spec.name for spec in self.inputs if spec.name not in inputs]
        unknown = [str(name) for name in inputs if name not in self._input_names]
        found = [f"missing {', '.join(missing)}"] if missing else []
        if unknown:
            found.append(f"unknown {', '.join(unknown)}{suggestion(unknown[0], missing or self._input_names)}")
        return InvalidInput(f"the model takes {'; '.join(map(str, self.inputs)) or 'no inputs'}: {', '.join(found)}")
