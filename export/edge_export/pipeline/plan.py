"""What one export makes, and from what: checked before the work begins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_export.capture.program import Program
from edge_export.formats.choices import Format, Precision
from edge_export.inputs.data_files import fitted, read_data
from edge_export.inputs.own_sampler import own_sampler
from edge_export.inputs.stated_ranges import stated_ranges
from edge_export.options import Choices, file_paths
from edge_export.tensors import Array, Tensors
from edge_export.verify.certify import arrays_sha256
from edge_export.verify.sampler import OwnSampler


@dataclass(frozen=True)
class Plan:
    """One export of one program.

    Attributes:
        program: what is exported.
        folder: where the files go.
        stem: their name without its endings.
        choices: what to make, and how.
        data: rows like those that the model will meet, as the program takes them; None if there are none.
        ranges: the smallest and largest value of inputs that the user states.
        sampler: draws inputs as the user wants; None if nobody stated how.
        hashes: the SHA-256 of what the program was made from, and of the data, by name.
    """

    program: Program
    folder: Path
    stem: str
    choices: Choices
    data: Tensors | None
    ranges: Mapping[str, tuple[Array, Array]]
    sampler: OwnSampler | None
    hashes: Mapping[str, str]

    def path(self, kind: Format, precision: Precision) -> Path:
        """Where a file goes: model.onnx, model.int8.onnx."""
        return file_paths(self.folder, self.stem, kind, precision)[0]

    @property
    def probabilities(self) -> tuple[str, ...]:
        """The names of the outputs that hold probabilities."""
        return () if self.program.classifier is None else (self.program.classifier.output,)

    @property
    def decide(self) -> Callable[[Tensors], npt.NDArray[np.intp]] | None:
        """Gives the predicted class of each row, shape (rows,), from the outputs; None if there are no classes."""
        if (classifier := self.program.classifier) is None:
            return None
        return lambda outputs: classifier.predicted(outputs[classifier.output])


def make_plan(program: Program, folder: Path, stem: str, choices: Choices, hashes: Mapping[str, str]) -> Plan:
    """The plan of an export, with its data read.

    Raises:
        ExportError: the data cannot be read or do not fit the program, or a range does not.
        InvalidInput: a line of the data is not a row.
    """
    data: Tensors | None = None
    if isinstance(choices.data, Path):
        data = read_data(choices.data, program, choices.limits)
    elif choices.data is not None:
        data = fitted(choices.data, program, "data")
    if data is not None:
        hashes = {**hashes, "data": arrays_sha256(data)}
    ranges = stated_ranges(choices.ranges, program)
    sampler = None if choices.sampler is None else own_sampler(choices.sampler, program)
    return Plan(program, folder, stem, choices, data, ranges, sampler, hashes)
