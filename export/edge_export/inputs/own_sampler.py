"""A function of the user's own that draws inputs: checked at each call, so that a mistake in it is told as one."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from edge_export.capture.diagnostics import cause
from edge_export.capture.program import Program
from edge_export.errors import ExportError
from edge_export.inputs.data_files import fitted
from edge_export.tensors import BATCH, Tensors
from edge_runtime.contract.terminal import suggestion


def own_sampler(
    draw: Callable[[np.random.Generator, int], Mapping[str, Any]], program: Program
) -> Callable[[np.random.Generator, int], Tensors]:
    """`draw` with a check of what it returns.

    Args:
        draw: given a generator and a number of rows, it returns arrays by input, for some inputs or all.
        program: takes the inputs.

    Returns:
        A function that returns what `draw` returns, as the program takes it. It raises ExportError if `draw` raises, or
        returns what does not fit the program.
    """
    names = [spec.name for spec in program.inputs]

    def checked(random: np.random.Generator, rows: int) -> Tensors:
        try:
            drawn = draw(random, rows)
        except Exception as error:
            raise ExportError(f"sampler fails for {rows} rows: {cause(error)}") from error
        if not isinstance(drawn, Mapping):
            raise ExportError(f"sampler returns {type(drawn).__name__}; a dict of arrays by input is needed")
        if unknown := [str(name) for name in drawn if name not in names]:
            raise ExportError(
                f"sampler returns {unknown[0]}, which is not an input; the inputs are {', '.join(names)}"
                f"{suggestion(unknown[0], names)}"
            )
        inputs = tuple(spec for spec in program.inputs if spec.name in drawn)
        found = fitted(drawn, replace(program, inputs=inputs), "sampler")
        for spec in inputs:
            if BATCH in spec.shape and (count := found[spec.name].shape[spec.shape.index(BATCH)]) != rows:
                raise ExportError(f"sampler returns {count} rows of {spec.name} when it is asked for {rows}")
        return found

    return checked
