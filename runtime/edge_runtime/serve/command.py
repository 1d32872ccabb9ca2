"""The command `edge-serve`."""

import errno
import ipaddress
import math
import socket
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime.contract import shell
from edge_runtime.contract.errors import UnknownDevice
from edge_runtime.signing.keys import PublicKey

app = typer.Typer(**shell.SETTINGS)


@app.command()
def serve(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="ONNX files, each as FILE or NAME=FILE.")],
    host: Annotated[str, typer.Option(metavar="HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name by which this machine is asked, as by a proxy; * for any."),
    ] = None,
    workers: Annotated[int, typer.Option(metavar="COUNT", min=1, help="How many processes serve.")] = 1,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:N or a provider.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(metavar="COUNT", min=1, help="The most processors that one call may use.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Replay the certificates first.")] = True,
    trust: Annotated[list[Path] | None, shell.trust_option()] = None,
    max_body: Annotated[int, typer.Option(metavar="MB", min=1, help="The most megabytes of a request.")] = 64,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.001, max=86_400, help="The most time to read, to compute and to send."),
    ] = 30,
    max_waiting: Annotated[
        int, typer.Option(metavar="COUNT", min=1, help="How many requests may wait for a model.")
    ] = 1024,
    max_delay: Annotated[
        float,
        typer.Option(
            metavar="MS", min=0, max=60_000, help="How long rows may wait to be joined with others, while nothing runs."
        ),
    ] = 0,
    limit: Annotated[list[str] | None, shell.limit_option()] = None,
    drain: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, max=86_400, help="How long to serve after SIGTERM, while not ready."),
    ] = 0,
    version: Annotated[bool, shell.version_option("edge-serve")] = False,
) -> int:
    """Serve models over HTTP: edge-serve model.onnx --port 8000."""
    files = _files(models)
    for option, number in (("--timeout", timeout), ("--max-delay", max_delay), ("--drain", drain)):
        # NaN is in every range.
        if math.isnan(number):
            raise shell.UsageError(f"{option}: nan is not a number")
    # A call that nobody waits for any more need not go on.
    model_limits = shell.limits_of([f"call_seconds={timeout}", *(limit or [])], *shell.OPENING)
    # These import onnxruntime and uvicorn, and the mistakes in a command line are found before.
    from edge_runtime.serve.limits import ServeLimits
    from edge_runtime.serve.supervisor import Supervisor
    from edge_runtime.serve.worker import Settings
    from edge_runtime.serve.worker import serve as serve_here

    # Read once, so that all workers go by the same keys.
    keys = tuple(PublicKey.read(path).pem for path in trust or ())
    limits = ServeLimits(max_body * 1_000_000, timeout, max_waiting, max_delay / 1000)
    with _bound(host, port) as listening:
        address, number, *_ = listening.getsockname()
        # Whoever lets other machines ask knows by which names they do.
        hosts = allowed_host or ([host] if ipaddress.ip_address(address).is_loopback else ["*"])
        names = frozenset({host, *hosts})
        settings = Settings(files, device, threads, verify, limits, model_limits, drain, names, keys)
        shown = f"[{host}]" if ":" in host else host

        def ready() -> None:
            shell.note(f"serving {', '.join(files)} on http://{shown}:{number}")

        try:
            if workers == 1:
                return serve_here(settings, listening, ready)
            return Supervisor(settings, listening, workers).run(ready)
        except UnknownDevice as error:
            raise shell.UsageError(str(error)) from error


def _files(words: list[str]) -> dict[str, str]:
    """The files by the names of their models."""
    files: dict[str, str] = {}
    for word in words:
        name, is_named, file = word.partition("=")
        # A file may have = in its path, and no name before it.
        if not is_named or Path(word).exists() or ("/" in name and not Path(file).exists()):
            name, file = Path(word).stem, word
        # Clients take . and .. out of URLs; what cannot be printed does not belong in URLs, logs and metrics.
        if not name or "/" in name or name in (".", "..") or not name.isprintable():
            raise shell.UsageError(f"{word}: a model needs a printable name without /, as in name={file}")
        if name in files:
            raise shell.UsageError(f"two models are called {name!r}; give one of them another name, as in other={file}")
        files[name] = file
    return files


def _bound(host: str, port: int) -> socket.socket:
    """A socket at this address.

    Raises:
        OSError: it cannot be had; the message says why.
    """
    listening = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.socket(family)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        if listening is not None:
            listening.close()
        if error.errno == errno.EADDRINUSE:
            raise OSError(f"port {port} of {host} is in use; choose another one with --port") from None
        if error.errno == errno.EACCES:
            raise OSError(
                f"port {port} may not be opened by this user; choose one of 1024 or more with --port"
            ) from None
        raise OSError(f"{host} is not an address of this machine; choose another one with --host") from None
    return listening


def main(arguments: list[str] | None = None) -> int:
    """Run `edge-serve` on `arguments` (by default the process's own) and return its exit code."""
    return shell.run(app, arguments)
