"""Operator by operator of torch's own test database: nothing wrong gets through, and what is right is exported."""

import pytest
from quick_exports import few_probes, few_reference_rows, one_registry

# What torch alone exports right for its samples, and we refuse.
REFUSED = {
    "logcumsumexp": "ONNX has no operator for it, and torch's formula gives -infinity where elements are 90 apart",
    "scatter_reduce.mean": "torch's exporter is wrong where two elements go to one place, as none do in its sample",
    "special.erfcx": "torch's exporter multiplies exp(x * x) by erfc(x): NaN from 10 on",
}
PARTS = 32


def test_few_are_refused() -> None:
    assert len(REFUSED) <= 10


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_operators(part: int) -> None:
    from torch_operators import exported, exported_by_torch, names, operator  # it takes seconds to import

    surprises = []
    with one_registry(), few_probes(), few_reference_rows():
        for name in names()[part::PARTS]:
            if (found := operator(name)) is None:
                continue
            ours = exported(found)
            is_surprise = ours.startswith("refused") != (name in REFUSED)
            if ours == "wrong" or (is_surprise and exported_by_torch(found) == "right"):
                surprises.append(f"{name}: {ours}")
    assert not surprises
