"""`Predictor`: a model file that answers."""

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edge_runtime.answering import Answering, Prediction
from edge_runtime.contract.errors import (
    InvalidInput,
    InvalidModel,
    NoCertificate,
    NoProbabilities,
    NoSignature,
    VerificationFailed,
)
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY, SIGNATURE_KEY
from edge_runtime.contract.signature import Signature
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.engine import cuda
from edge_runtime.engine.devices import CPU, CUDA
from edge_runtime.engine.placement import Placement
from edge_runtime.rows.arrays import as_tensor

if TYPE_CHECKING:
    from edge_runtime.contract.certificate import Certificate
    from edge_runtime.verification import Verification


class Predictor:
    """An opened model. Safe to use from several threads at once; survives pickling by opening the model again.

    Attributes:
        signature: what a row and an answer mean; None for an ONNX file from elsewhere, which only `run` can use.
        inputs: the input tensors as the file declares them.
        outputs: the output tensors as the file declares them.
        provider: the ONNX Runtime provider that it really runs on, such as "CPUExecutionProvider"; with device="auto"
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
            device: "auto" takes the CPU, and CUDA, where it really comes up, for the calls that are done sooner there;
                CUDA for all calls of a file that does not say what its rows take. "cpu"; "cuda" or "cuda:N" runs there
                or raises; or the name of an ONNX Runtime provider.
            verify: whether to raise unless the model passes `verify`.
            threads: the most that one call may use on the CPU; by default as many as there are processors for the
                process.

        Raises:
            ModelNotFound: there is no such file.
            InvalidModel: it is not an ONNX model, is damaged, or is of a newer kind than this version reads.
            UnknownDevice: no device goes by that name.
            DeviceUnavailable: the device cannot be used here; the message says why.
            RuntimeNotInstalled: ONNX Runtime is missing, or two of its packages overwrite each other.
            NoCertificate: with `verify`, the model carries no proof.
            VerificationFailed: with `verify`, its proof does not hold here; the message says why.
        """
        source = bytes(model) if isinstance(model, bytes | bytearray | memoryview) else Path(model)
        self._placement = Placement(source, device, threads)
        self._session = self._placement.main
        # What opens the same model again, wherever the process has gone by then.
        self._arguments = (self._session.source, device, verify, threads)
        self.inputs: tuple[TensorSpec, ...] = self._session.inputs
        self.outputs: tuple[TensorSpec, ...] = self._session.outputs
        self._input_names = {spec.name for spec in self.inputs}
        self._output_names = [spec.name for spec in self.outputs]
        self.provider: str = self._session.provider
        self.signature: Signature | None = self._read_signature()
        self._is_regression = self.signature is not None and self.signature.task == "regression"
        self._tabular = None if self.signature is None else Answering(self._placement, self.signature)
        if verify and not (verification := self.verify()).passed:
            raise VerificationFailed(verification.failure)

    def __reduce__(self) -> tuple[type["Predictor"], tuple[Path | bytes, str, bool, int | None]]:
        return type(self), self._arguments

    @functools.cached_property
    def classes_(self) -> npt.NDArray[Any]:
        """The labels, shape (classes,), in the order of `predict_proba`'s columns.

        Raises:
            NoProbabilities: the model is a regression.
            NoSignature: the model does not say what its outputs mean.
        """
        if self._is_regression:
            raise self._no_probabilities()
        classes = np.array(self.required_signature.labels)
        classes.flags.writeable = False
        return classes

    def predict(self, rows: Any) -> npt.NDArray[Any]:
        """The predicted labels of `rows`, or in regression their values.

        Args:
            rows: one row, shape (features,), or many, shape (rows, features), in the order of `signature.features`:
                arrays, lists or tuples; None is a gap. Or by name, whatever else is there: a dict for one row, a list
                of dicts, a data frame of pandas, polars or pyarrow, a row of one of pandas. Numbers are any numbers;
                for a boolean also True, False and their names, for a category texts. Gaps may stand where the feature's
                `missing` is not None: None, NaN, NaT, NA, masked, or a missing word (`contract.values`).

        Returns:
            Labels, shape (rows,), of the labels' own type; a row whose probability is NaN gets `classes_[0]`. In
            regression values in the target's own unit, shape (rows,), of the model's floating type.

        Raises:
            InvalidInput: a row has the wrong number of values or lacks one, or a value does not fit its feature.
            NoSignature: the model does not say what its outputs mean.
        """
        outputs = self._answering.outputs(rows)
        if self._is_regression:
            return outputs[:, 0]
        predicted: npt.NDArray[Any] = self.classes_[self.required_signature.predicted(outputs)]
        return predicted

    def predict_proba(self, rows: Any) -> npt.NDArray[np.floating[Any]]:
        """The probabilities of `rows`.

        Args: as `predict`.

        Returns:
            Probabilities, shape (rows, classes), of the model's own floating type, columns in the order of `classes_`.

        Raises:
            NoProbabilities: the model is a regression.
            InvalidInput, NoSignature: as `predict`.
        """
        if self._is_regression:
            raise self._no_probabilities()
        return self._answering.outputs(rows)

    # Whoever asks for the label of a classifier need not tell the checker of types that it is no float.
    def predict_one(self, row: Any) -> Prediction | Any:
        """The label of one row and that label's probability, or in regression its value, a float.

        Args:
            row: one row as `predict` takes it.

        Raises:
            InvalidInput, NoSignature: as `predict`.
        """
        if self._tabular is None:
            raise self._no_signature()
        return self._tabular.one(row)

    def unseen(self, rows: Any) -> list[dict[str, str]]:
        """What in `rows` is unlike all that training saw, so that their answers may be guesses.

        Args: as `predict`.

        Returns:
            For each row the features of which that is so, in a row's order, and why, in words: a number farther from
            the range of training than half of it, a category that is new, a gap where there was none.

        Raises:
            InvalidInput, NoSignature: as `predict`.
        """
        # Whoever only asks for answers need not load it.
        from edge_runtime.novelty import unseen

        return unseen(self.required_signature, self._answering.records.tensors(rows))

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """All outputs of any ONNX model, by name.

        Args:
            inputs: a value for every input tensor, by name; cast to the declared type where no meaning is lost. Where
                the model runs on CUDA, also tensors there of any library that speaks DLPack, such as torch and CuPy,
                of just the declared types; they are not copied.

        Returns:
            The outputs by name, as ONNX Runtime gives them: arrays for tensors. If an input was on the GPU, they stay
            there, as objects that torch.from_dlpack and cupy.from_dlpack take without a copy.

        Raises:
            InvalidInput: an input is missing, unknown, or of another kind or shape than declared.
            InferenceFailed: ONNX Runtime failed while computing.
        """
        if inputs.keys() != self._input_names:
            missing = [spec.name for spec in self.inputs if spec.name not in inputs]
            unknown = [str(name) for name in inputs if name not in self._input_names]
            found = f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(unknown)}"
            raise InvalidInput(f"the model takes {'; '.join(map(str, self.inputs)) or 'no input'}: {found}")
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
                raise InvalidInput(f"{on_cuda} is on a GPU, and the model runs on {self.provider}: give an array")
            return cuda.run_there(session, feed)
        session = self._session
        counts = {len(values) for values in feed.values()} if self._gives_row_for_row else set()
        if len(counts) == 1:
            (rows,) = counts
            session = self._placement.of_call(rows, feed)
            if session.provider == CPU and self._placement.divides(rows):
                return self._in_blocks(feed, rows)
        return dict(zip(self._output_names, session.run(self._output_names, feed), strict=True))

    @functools.cached_property
    def _gives_row_for_row(self) -> bool:
        """Whether calls may be divided, and the shapes of their results are known beforehand."""
        workload = self._placement.workload
        if workload is None or not workload.independent:
            return False
        specs = (*self.inputs, *self.outputs)
        batches = {spec.shape[:1] for spec in specs}
        fixed = all(isinstance(size, int) for spec in self.outputs for size in spec.shape[1:])
        known = all(spec.dtype is not None and spec.dtype != np.object_ for spec in specs)
        return len(batches) == 1 and isinstance(next(iter(batches))[0], str) and fixed and known

    def _in_blocks(self, feed: dict[str, npt.NDArray[Any]], rows: int) -> dict[str, Any]:
        shapes: dict[str, Any] = {spec.name: (rows, *spec.shape[1:]) for spec in self.outputs}
        results = {spec.name: np.empty(shapes[spec.name], np.dtype(spec.dtype)) for spec in self.outputs}

        def write(start: int, stop: int, outputs: Sequence[npt.NDArray[Any]]) -> None:
            for values, output in zip(results.values(), outputs, strict=True):
                values[start:stop] = output

        self._placement.divide(rows, feed, self._output_names, write)
        return results

    @functools.cached_property
    def certificate(self) -> "Certificate | None":
        """The proof that the model carries, None where it carries none.

        Raises:
            InvalidModel: it is damaged, or its schema is newer than this version reads.
        """
        # Whoever only asks for answers need not load what a proof takes.
        from edge_runtime.contract import certificate

        text = self._session.metadata.get(CERTIFICATE_KEY)
        return None if text is None else certificate.Certificate.from_json(text)

    def verify(self) -> "Verification":
        """Replay the proof that the model carries: what torch gave at export against what this gives here and now.

        Returns:
            What was found; that it does not hold is no error. Where device="auto" may take CUDA for large calls, it is
            found on both, and given for CUDA unless the CPU fails.

        Raises:
            NoCertificate: the model carries no proof.
            InvalidModel: its proof is damaged, or its schema is newer than this version reads.
            ModelNotFound: the file is not there any more.
        """
        if self.certificate is None:
            raise NoCertificate("the model carries no certificate to verify it against; edge-export writes one")
        from edge_runtime.verification import replay

        found = replay(self._session, self.certificate)
        beside = self._placement.cuda
        return found if beside is None or not found.passed else replay(beside, self.certificate)

    @property
    def required_signature(self) -> Signature:
        """`signature` for code that cannot do without. Raises NoSignature where there is none."""
        if self.signature is None:
            raise self._no_signature()
        return self.signature

    @property
    def _answering(self) -> Answering:
        if self._tabular is None:
            raise self._no_signature()
        return self._tabular

    def _no_probabilities(self) -> NoProbabilities:
        return NoProbabilities(
            "the model is a regression, which has no labels and no probabilities; predict and predict_one give "
            "its values"
        )

    def _no_signature(self) -> NoSignature:
        return NoSignature(
            "the model carries no edge-predict signature, so its outputs have no labels; "
            "Predictor.run gives them by name"
        )

    def _read_signature(self) -> Signature | None:
        text = self._session.metadata.get(SIGNATURE_KEY)
        if text is None:
            return None
        signature = Signature.from_json(text)
        # The tensors as the signature knows them must be the ones in the graph, or the answers would be about
        # something else; and numbers are read as one type.
        described = {
            tensor.name: ("O" if tensor.holds_strings else "f", len(tensor.features)) for tensor in signature.inputs
        }
        declared = {spec.name: _kind_and_columns(spec) for spec in self.inputs}
        output = {spec.name: _kind_and_columns(spec) for spec in self.outputs}.get(signature.output)
        columns = len(signature.labels) if signature.task == "multiclass_classification" else 1
        types = {spec.dtype for spec in self.inputs} - {np.dtype(np.object_)}
        if described != declared or len(types) > 1 or output != ("f", columns):
            raise InvalidModel("the signature does not describe this graph; export the model again")
        return signature


def _kind_and_columns(spec: TensorSpec) -> tuple[str | None, int | str | None]:
    """The kind of numpy type of `spec`, and how many columns it has if it is a matrix."""
    return None if spec.dtype is None else spec.dtype.kind, spec.shape[1] if len(spec.shape) == 2 else None
