"""onnxscript's rules for simpler graphs, with which torch.onnx.export rewrites what it has made."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from onnxscript.rewriter import _matcher

# No public interface says how near a constant must be to that of a rule.
_MATCHER: Any = _matcher.SimplePatternMatcher


@contextlib.contextmanager
def exact_constants() -> Iterator[None]:
    """Let rules apply in here only to constants that are exactly those of the rule, in their own precision.

    Otherwise those within 1e-5 of 1, or 1e-8 of 0, count as 1 and 0: `x * 1.000005` and `x + 1e-9` become `x`, however
    small the numbers are that a module computes with.
    """
    match = _MATCHER._match_constant

    def match_exactly(matcher: Any, constant: Any, value: Any) -> bool:
        if not match(matcher, constant, value):
            return False
        found = value.const_value.numpy()
        if np.array_equal(found, np.asarray(constant.value, found.dtype)):
            return True
        return bool(matcher.fail(f"the constant {value.name} is not exactly {constant.value}"))

    _MATCHER._match_constant = match_exactly
    try:
        yield
    finally:
        _MATCHER._match_constant = match
