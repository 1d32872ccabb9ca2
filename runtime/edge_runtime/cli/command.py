"""The entry of the command `edge-predict`.

One row without options is answered at once. Everything else goes to `options`, whose parser takes longer to load than a
small model takes to answer.
"""

import sys
from collections.abc import Sequence

from edge_runtime.cli.answers import answer_words
from edge_runtime.contract import shell
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.values import is_number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `edge-predict` on `arguments` (by default the process's own) and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) > 1 and not any(word.startswith("-") and not is_number(word) for word in words):
        return shell.call(lambda: _answer(words[0], words[1:]))
    from edge_runtime.cli import options

    return shell.run(options.app, words)


def _answer(model: str, words: Sequence[str]) -> None:
    from edge_runtime.predictor import Predictor

    # One row needs one thread; more would take time to start.
    predictor = Predictor(model, threads=1)
    try:
        answer = answer_words(predictor, words, "text")
    except InvalidInput as error:
        raise shell.UsageError(str(error)) from error
    sys.stdout.write(answer)
