"""What an isolated process has answered, as the types that it stands for, each part checked.

The process may have been taken over by its model, so that anything may come.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, ParamSpec, TypeVar

import numpy as np

from edge_runtime.contract.errors import IsolationFailed
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.terminal import one_line, shortened
from edge_runtime.engine.model_metadata import ModelMetadata
from edge_runtime.verification import Check, Verification

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
# Names of types are shorter, and none is nested deeper: optional(seq(map(string,tensor(float)))).
_LONGEST_TYPE, _DEEPEST_TYPE = 200, 5
_MAP_TYPES = {"string": str, "int64": int, "float": float, "double": float}


def _checking(read: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """`read`, which raises IsolationFailed for what does not have the form that it expects."""

    @functools.wraps(read)
    def checked(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        try:
            return read(*arguments, **named)
        except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
            reason = shortened(one_line(f"{type(error).__name__}: {error}"))
            raise IsolationFailed(f"the isolated model does not answer as it should: {reason}") from error

    return checked


@_checking
def specs(plain: Any) -> tuple[TensorSpec, ...]:
    """Inputs or outputs."""
    return tuple([_spec(*one) for one in _list(plain)])


@_checking
def text(plain: Any) -> str:
    """A string."""
    found: str = _of(str, plain)
    return found


@_checking
def optional_text(plain: Any) -> str | None:
    """A string or None."""
    return None if plain is None else _of(str, plain)


@_checking
def named(plain: Any, names: Sequence[str]) -> dict[str, Any]:
    """The values with these names, of which none is checked yet."""
    found = _of(dict, plain)
    return {name: found[name] for name in names}


@_checking
def texts(plain: Any) -> dict[str, str]:
    """Strings by name."""
    return {_of(str, name): _of(str, one) for name, one in _of(dict, plain).items()}


@_checking
def outputs(plain: Any, expected: Sequence[TensorSpec]) -> list[Any]:
    """The outputs of a model, if they are of the declared kinds and types."""
    for value, spec in zip(_list(plain), expected, strict=True):
        if not _is_for(value, spec):
            raise TypeError(f"{spec.name} is not {spec.type}")
    return _list(plain)


@_checking
def metadata(plain: Any) -> ModelMetadata:
    """What a model says about itself."""
    found = dict(_of(dict, plain))
    custom, opsets, version = texts(found.pop("custom")), _of(dict, found.pop("opsets")), found.pop("version")
    return ModelMetadata(
        custom=custom,
        opsets={_of(str, name): _of(int, number) for name, number in opsets.items()},
        version=None if version is None else _of(int, version),
        **texts(found),
    )


@_checking
def verification(plain: Any) -> Verification:
    """The result of a replay."""
    found = dict(_of(dict, plain))
    return Verification(
        provider=_of(str, found["provider"]),
        onnxruntime=_of(str, found["onnxruntime"]),
        versions=texts(found["versions"]),
        rows=_of(int, found["rows"]),
        intact=_of(bool, found["intact"]),
        signature_intact=_of(bool, found["signature_intact"]),
        checks=tuple([_check(_of(dict, one)) for one in _list(found["checks"])]),
        problems=tuple([_of(str, one) for one in _list(found["problems"])]),
    )


def _check(found: Mapping[str, Any]) -> Check:
    kinds = {"kind": str, "output": str, "rows": int, "problem": str | None}
    return Check(**{one.name: _of(kinds.get(one.name, float), found[one.name]) for one in fields(Check)})


def _spec(name: Any, kind: Any, shape: Any) -> TensorSpec:
    if len(_of(str, kind)) > _LONGEST_TYPE or kind.count("(") > _DEEPEST_TYPE:
        raise ValueError("there is no such type")
    return TensorSpec(_of(str, name), kind, tuple([_of(int | str | None, size) for size in _list(shape)]))


def _is_for(value: Any, spec: TensorSpec) -> bool:
    """Whether `value` is what a model may return for the output `spec`."""
    if spec.present is not None:
        return value is None or _is_for(value, spec.present)
    if (item := spec.item) is not None:
        return isinstance(value, list) and all(_is_for(one, item) for one in value)
    if spec.key_and_value is not None:
        kinds = [_MAP_TYPES[one] for one in spec.key_and_value]
        return isinstance(value, dict) and all(
            isinstance(one, kind) for pair in value.items() for one, kind in zip(pair, kinds, strict=True)
        )
    dtype = spec.dtype or spec.ml_dtype
    return dtype is not None and isinstance(value, np.ndarray) and value.dtype == dtype


def _list(plain: Any) -> list[Any]:
    found: list[Any] = _of(list, plain)
    return found


def _of(kind: Any, plain: Any) -> Any:
    # True is an int to Python.
    if not isinstance(plain, kind) or (isinstance(plain, bool) and kind is not bool):
        raise TypeError(f"found {type(plain).__name__}")
    return plain
