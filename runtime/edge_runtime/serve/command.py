"""The command `edge-serve`."""

from pathlib import Path
from typing import Annotated

import typer

from edge_runtime.contract import shell

app = typer.Typer(**shell.SETTINGS)


@app.command()
def serve(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="ONNX files, each as FILE or NAME=FILE.")],
    host: Annotated[str, typer.Option(metavar="HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="The port to listen on.")] = 8000,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:N or a provider.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(metavar="COUNT", min=1, help="The most processors that one call may use.")
    ] = None,
    version: Annotated[bool, shell.version_option("edge-serve")] = False,
) -> None:
    """Serve models over HTTP: edge-serve model.onnx --port 8000."""
    import uvicorn

    from edge_runtime.predictor import Predictor
    from edge_runtime.serve.app import create_app
    from edge_runtime.serve.models import ServedModels

    served = {}
    for word in models:
        name, _, file = word.rpartition("=")
        served[name or Path(file).stem] = Predictor(file, device, threads=threads)
    config = uvicorn.Config(create_app(ServedModels(served)), host=host, port=port, log_level="warning")
    listening = config.bind_socket()
    listening.listen(config.backlog)
    shell.note(f"serving on http://{host}:{listening.getsockname()[1]}")
    uvicorn.Server(config).run([listening])


def main(arguments: list[str] | None = None) -> int:
    """Run `edge-serve` on `arguments` (by default the process's own) and return its exit code."""
    return shell.run(app, arguments)
