"""`OpenedModel`: an ONNX model that runs here, tensors in and tensors out, and that can be verified."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.contract.errors import InvalidInput, NoCertificate, VerificationFailed
from edge_runtime.contract.input_ranges import InputRange
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.engine import cuda
from edge_runtime.engine.devices import CUDA
from edge_runtime.engine.feed_runner import FeedRunner
from edge_runtime.engine.placement import Placement
from edge_runtime.reloadable import Arguments, Reloadable
from edge_runtime.rows.arrays import as_tensor
from edge_runtime.rows.tensor_reader import declared, named

if TYPE_CHECKING:
    from edge_runtime.contract.certificate import Certificate
    from edge_runtime.verification import Verification


class OpenedModel(Reloadable):
    """An opened ONNX model, whatever its tensors mean.

    Several threads may use it at the same time. Pickling keeps the path or the content, and opens the model again.
    A `with` statement closes it.

    Attributes:
        inputs: the input tensors that the file declares.
        outputs: the output tensors that the file declares.
        input_ranges: which integers the inputs take where the model looks something up with them, such as rows of an
            embedding; others are refused.
        provider: the ONNX Runtime provider that the model runs on, such as "CPUExecutionProvider". With device="auto"
            large calls may run on CUDA besides.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes | bytearray | memoryview,
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
        super().__init__((source, device, verify, threads))

    def _open(self, arguments: Arguments) -> None:
        source, device, verify, threads = arguments
        placement = Placement(source, device, threads)
        session = placement.main
        self._arguments = (session.source, device, verify, threads)
        self.inputs: tuple[TensorSpec, ...] = session.inputs
        self.outputs: tuple[TensorSpec, ...] = session.outputs
        self.input_ranges: tuple[InputRange, ...] = () if placement.ranges is None else placement.ranges.inputs
        self.provider: str = session.provider
        self._shown_source = session.shown_source
        self._runner = FeedRunner(placement, self.outputs)
        if verify and not (verification := self.verify()).passed:
            raise VerificationFailed(verification.failure)

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
            InvalidInput: `inputs` is not a mapping, or an input is missing, unknown, does not have the declared kind
                and shape, or holds an integer outside the range that the model looks up.
            InferenceFailed: ONNX Runtime failed while computing.
        """
        # Read once: `reload` may replace it.
        runner = self._runner
        specs = runner.placement.main.inputs
        if not isinstance(inputs, Mapping):
            raise InvalidInput(
                f"run takes a dict of tensors by input name, found {type(inputs).__name__}; {declared(specs)}"
            )
        inputs = named(inputs, specs)
        feed, on_cuda = {}, ""
        for spec in specs:
            value = inputs[spec.name]
            if type(value) is not np.ndarray and cuda.is_on_cuda(value):
                feed[spec.name], on_cuda = value, spec.name
            else:
                feed[spec.name] = as_tensor(value, spec)
        if on_cuda:
            placement = runner.placement
            session = placement.main if placement.main.provider == CUDA else placement.cuda
            if session is None:
                provider = placement.main.provider
                raise InvalidInput(f"{on_cuda} is on a GPU, but the model runs on {provider}; pass an array")
            return cuda.run_there(session, feed, placement.ranges)
        return dict(zip(runner.names, runner.run(feed), strict=True))

    @property
    def has_independent_rows(self) -> bool:
        """Whether the first axis of all inputs and outputs is that of the rows, and each row is answered by itself.

        Then the rows of several calls may be joined into one. False if the file does not say it.
        """
        return self._runner.has_independent_rows

    @property
    def certificate(self) -> "Certificate | None":
        """The certificate that the model carries; None if it does not carry one.

        Raises:
            InvalidModel: it is damaged, or its schema is newer than this version reads.
        """
        return self._runner.placement.certificate

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
        placement = self._runner.placement
        if placement.certificate is None:
            raise NoCertificate("the model has no certificate to verify it against; edge-export writes one")
        from edge_runtime.verification import replay

        found = replay(placement.main, placement.certificate, on_batch)
        beside = placement.cuda if found.passed else None
        return found if beside is None else replay(beside, placement.certificate, on_batch)
