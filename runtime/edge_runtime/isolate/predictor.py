"""`IsolatedPredictor`: a predictor whose model is opened, and answers, in a process of its own."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.placement import Placement
from edge_runtime.isolate.session import IsolatedPlacement
from edge_runtime.predictor import Predictor

if TYPE_CHECKING:
    from edge_runtime.verification import Verification


class IsolatedPredictor(Predictor):
    """A `Predictor` for untrusted models: nothing reaches the program but answers and errors.

    The model is opened, and answers, in a process of its own, on the CPU. That may take `limits.isolated_bytes` of
    memory besides what Python and ONNX Runtime take by themselves, and `limits.isolated_seconds` for opening the model
    and for each call. A model that takes more or crashes ends that process, and the call raises IsolationFailed, as do
    all later ones. What the process may do besides is in docs/security.md.

    It takes what `Predictor` takes, but device and providers only for the CPU, and gives the same answers. Rows are
    read in this process, where they are: to the other one go arrays. What comes back is checked, and never unpickled.

    Raises, besides what `Predictor` raises:
        IsolationFailed: the process crashed, took too long or too much memory, did not start or does not answer as it
            should.
    """

    def _placed(self, source: ModelSource) -> Placement:
        return IsolatedPlacement(source, self._settings)

    def current(self) -> Self:
        """As `Predictor.current`: both use the same process, and the last one that is closed ends it."""
        same = super().current()
        self._isolated.users.update((self, same))
        return same

    def close(self) -> None:
        """As `Predictor.close`. It ends the process, too."""
        if self.closed:
            return
        isolated = self._isolated
        super().close()
        isolated.users.discard(self)
        if not isolated.users:
            isolated.end()

    @property
    def _isolated(self) -> IsolatedPlacement:
        placement = self._runner.placement
        assert isinstance(placement, IsolatedPlacement)
        return placement

    def verify(self, on_batch: Callable[[], object] | None = None) -> "Verification":
        """As `Predictor.verify`, in the model's process; that may take `limits.isolated_seconds`."""
        if on_batch is not None and not callable(on_batch):
            raise InvalidInput(f"on_batch is called after each batch, found {type(on_batch).__name__}")
        return self._isolated.verify(on_batch)
