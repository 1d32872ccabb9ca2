"""What can go wrong in an export, below the project's one root of errors."""

from typing import TYPE_CHECKING

from edge_runtime.errors import EdgePredictError

if TYPE_CHECKING:
    from edge_export.parity import Comparison


class ExportError(EdgePredictError, RuntimeError):
    """The exporter could not make the file, or made one that is not as it should be."""


class BudgetExceeded(ExportError):
    """A lower precision costs more than it may; the message says which limit, and how to mend it."""


class ParityError(EdgePredictError, AssertionError):
    """The exported model does not compute what torch computes; `comparison` is its worst case."""

    def __init__(self, name: str, comparison: "Comparison", only_overflow: bool) -> None:
        """Say of the exported model `name` what the worst element of `comparison` is.

        With `only_overflow`, also that `finite_only` leaves out all that fails, in whatever case.
        """
        assert comparison.worst is not None
        worst, self.name, self.comparison = comparison.worst, name, comparison
        row = ", ".join(worst.inputs)
        shapes = " and ".join(str(list(values.shape)) for values in worst.tensors.values())
        place = "".join(f"[{index}]" for index in worst.index)
        multiple = f", or {worst.share:.3g} times what is allowed" if worst.share < float("inf") else ""
        message = (
            f"{name} does not compute what torch computes, and is not written: among {worst.case}, "
            f"{worst.output}{place} is {worst.found:.9g} for {row} in a call of shape {shapes}, "
            f"torch gives {worst.float32:.9g} (in float64 {worst.float64:.17g}); "
            f"the difference may be {worst.allowed:.2g}. {comparison.failed} of "
            f"{comparison.errors.size} elements fail; the smallest tolerance that would pass is {comparison.error:.2g}"
            f"{multiple}"
        )
        if only_overflow:
            message += (
                ". If NaN, infinity and numbers that overflow do not matter, --finite (finite_only=True) leaves them "
                "out, and the certificate says so"
            )
        super().__init__(message)
