"""The command `edge-train`, as the shell calls it.

This module and `edge_train` import nothing by themselves, so that Ctrl-C ends the command quietly from the start.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run `edge-train` on `arguments`, the process's own if None, and return its exit code."""
    try:
        from edge_runtime.contract import shell
        from edge_train.cli.options import app
    except KeyboardInterrupt:
        return 130
    return shell.run(app, arguments)
