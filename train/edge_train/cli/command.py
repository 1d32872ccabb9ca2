"""The command `edge-train`, as the shell calls it.

This module and `edge_train` import nothing by themselves, so that Ctrl-C ends the command quietly from the start.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run `edge-train` on `arguments`, the process's own if None, and return its exit code."""
    try:
        import signal

        from edge_runtime.contract import shell
        from edge_train.cli.options import app
    except KeyboardInterrupt:
        return 130
    code = shell.run(app, arguments)
    if arguments is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Python takes a while to clean up after torch, and would print a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return code
