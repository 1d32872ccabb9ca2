"""What an isolated process may do: expressions are evaluated in it."""

import builtins
import json
import pickle
from typing import Any

from concurrency import HANG

from edge_runtime import IsolationFailed, Predictor

# The value of an expression, in the message of an error: a process answers nothing else that it was not made for.
_EVALUATE = "(_ for _ in ()).throw(RuntimeError(__import__('json').dumps({expression})))"
_SAID = "the isolated model failed: "


class _Evaluated:
    """What is evaluated where it is unpickled."""

    def __init__(self, expression: str) -> None:
        self._expression = expression

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (_EVALUATE.format(expression=self._expression),)


def process_of(predictor: Predictor) -> Any:
    """The subprocess.Popen of an isolated predictor."""
    return predictor._runner.placement.isolated._process._process  # type: ignore[attr-defined]


def evaluated(predictor: Predictor, expression: str) -> Any:
    """The value of `expression` in the process of `predictor`, which JSON can hold.

    Raises:
        Exception: what it raises there, if that is built in.
    """
    process = predictor._runner.placement.isolated._process  # type: ignore[attr-defined]
    try:
        process.ask("open", pickle.dumps(_Evaluated(expression)), seconds=HANG)
    except IsolationFailed as error:
        name, _, message = str(error).removeprefix(_SAID).partition(": ")
        if name != "RuntimeError":
            raise getattr(builtins, name, IsolationFailed)(message) from error
        return json.loads(message)
    raise AssertionError("nothing was evaluated")
