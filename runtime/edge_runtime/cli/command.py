"""The entry of the command `edge-predict`.

One row without options is answered at once. Everything else goes to `options`, whose parser takes longer to load than a
small model takes to answer. This module and `edge_runtime` import next to nothing by themselves, so that Ctrl-C ends
the command quietly from the start.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run `edge-predict` on `arguments` (by default the process's own) and return its exit code."""
    try:
        import sys

        from edge_runtime.cli.interrupts import end_on_ctrl_c
        from edge_runtime.contract import shell
        from edge_runtime.rows.words import is_option

        if arguments is None:
            end_on_ctrl_c()
        words = sys.argv[1:] if arguments is None else arguments
        if len(words) > 1 and not any(map(is_option, words)):
            return shell.call(lambda: _answer(words[0], words[1:]))
        return shell.call(lambda: _with_options(words))
    except KeyboardInterrupt:
        return 130


def _answer(model: str, words: list[str]) -> None:
    import sys

    from edge_runtime.cli.answers import Asked, answer_words
    from edge_runtime.contract import shell
    from edge_runtime.contract.errors import InvalidInput
    from edge_runtime.predictor import Predictor

    # One row needs one thread; more would take time to start.
    predictor = Predictor(model, threads=1)
    try:
        answer = answer_words(predictor, words, Asked())
    except InvalidInput as error:
        raise shell.UsageError(str(error)) from error
    sys.stdout.write(answer)


def _with_options(words: list[str]) -> int:
    from edge_runtime.contract import shell

    try:
        from edge_runtime.cli.options import app
    except ImportError as error:
        return _without_typer(words, str(error))
    return shell.run(app, words)


def _without_typer(words: list[str], reason: str) -> int:
    """All but the answer to one row needs typer; what is wrong with it is for --doctor to say."""
    from edge_runtime.cli.doctor import show
    from edge_runtime.contract.errors import RuntimeNotInstalled

    if "--doctor" not in words:
        raise RuntimeNotInstalled(f"typer cannot be loaded ({reason}); edge-predict --doctor says how to fix it")
    return show("json" if "json" in words else "text", typer_problem=reason)
