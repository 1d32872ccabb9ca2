"""The command `edge-export`, as the shell calls it.

This module imports nothing by itself, and `edge_export` little, so that Ctrl-C ends the command quietly from the start.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run `edge-export` on `arguments`, the process's own if None, and return its exit code."""
    try:
        from edge_export.cli.options import app
        from edge_runtime.contract import shell
    except KeyboardInterrupt:
        return 130
    return shell.run(app, arguments)
