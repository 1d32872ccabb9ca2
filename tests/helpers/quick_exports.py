"""Exports that take a second: for tests of everything but the verification itself."""

import contextlib
import functools
import math
from collections.abc import Iterator

import pytest
import torch
import torch._export.utils
from tiers import is_thorough
from torch.onnx._internal.exporter._registration import ONNXRegistry

from edge_export.pipeline import float32
from edge_export.verify import (
    decision_boundary,
    probe_inputs,
    quantization_budget,
    reference,
    reference_rows,
    worst_case_search,
)


@contextlib.contextmanager
def few_probes() -> Iterator[None]:
    """In here an export compares hundreds of rows in dozens of calls, not thousands in hundreds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe_inputs, "BATCH_SIZES", (1, 2, 7, 40))
        patch.setattr(probe_inputs, "_ONE_BY_ONE", 1)
        patch.setattr(decision_boundary, "_MOST_PAIRS", 8)
        patch.setattr(decision_boundary, "_DRAWN_ROWS", 64)
        patch.setattr(worst_case_search, "_START", 64)
        patch.setattr(worst_case_search, "_POOL", 4)
        for module in (worst_case_search, float32):
            patch.setattr(module, "STEPS", (0.0, 0.5, 0.03))
        patch.setattr(reference, "DRAWS", 4)
        patch.setattr(reference, "COSTLY", math.inf)
        yield


def mostly_few_probes(seed: int) -> contextlib.AbstractContextManager[None]:
    """All probe inputs for one seed of four in `make test-all`: other networks find more than other rows of one."""
    return few_probes() if seed % 4 else contextlib.nullcontext()


@contextlib.contextmanager
def few_reference_rows() -> Iterator[None]:
    """In here a certificate has few reference rows: to compute them with many draws is half of a small export."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference_rows, "MOST_BYTES", 4096)
        yield


def probes_for(request: pytest.FixtureRequest) -> contextlib.AbstractContextManager[None]:
    """Few probe inputs for a test of `make test`, all of them in slow tests and in all of `make test-all`."""
    is_slow = request.node.get_closest_marker("slow") is not None
    return contextlib.nullcontext() if is_slow or is_thorough() else few_probes()


@contextlib.contextmanager
def few_timed_calls() -> Iterator[None]:
    """In here a lower precision is timed on the fewest calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantization_budget, "_SECONDS", 0.0)
        yield


@contextlib.contextmanager
def one_registry() -> Iterator[None]:
    """In here torch's exporter builds its tables of operators once, which is more than half of a small export."""
    known: set[str] = set()

    def look_up_new() -> None:
        # torch looks all of them up for each of its namespaces, three times an export.
        found = set(torch._C._dispatch_get_registrations_for_dispatch_key("CompositeImplicitAutograd"))
        for name in found - known:
            namespace, _, operator = name.partition("::")
            packet, _, overload = operator.partition(".")
            getattr(getattr(getattr(torch.ops, namespace), packet), overload or "default")
        known.clear()
        known.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(ONNXRegistry.from_torchlib)))
        patch.setattr(torch._export.utils, "_materialize_cpp_cia_ops", look_up_new)
        yield
