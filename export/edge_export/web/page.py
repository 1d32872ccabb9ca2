"""One HTML page with a model and what runs it in a browser: it opens from the disk, without a network."""

import base64
import gzip
import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from edge_export.errors import ExportError
from edge_runtime.contract.signature import Signature

# What `make web` builds: the script, and ONNX Runtime for WebAssembly.
BUILT = Path(__file__).parent / "built"
SCRIPT, RUNTIME = "page.js", "ort.wasm.gz"
# Browsers hold the page as text, in which a file takes a third more. Far larger ones open nowhere.
MOST_BYTES = 256 * 2**20


def check_built() -> None:
    """See that what a page needs is installed.

    Raises:
        ExportError: it is not; the message says how to get it.
    """
    if not all((BUILT / name).is_file() for name in (SCRIPT, RUNTIME)):
        raise ExportError(
            "--page (page=...) needs the runtime for browsers, which this installation lacks; run `make web` in the "
            "clone, with Node 20 or later, or install a wheel of `make dist`"
        )


def write_page(model: bytes, file: str, signature: Signature | None) -> bytes:
    """The page of an ONNX file, in UTF-8. The same file gives the same page.

    Args:
        model: the file, verified and with its certificate.
        file: its name.
        signature: what it takes and returns; None for tensors without one.

    Raises:
        ExportError: the file is too large for a page.
    """
    if len(model) > MOST_BYTES:
        raise ExportError(
            f"the model has {len(model) / 1e6:,.0f} MB, too large for a page that browsers open "
            f"({MOST_BYTES / 1e6:.0f} MB); export it without --page (page=...), or in a lower precision"
        )
    # The options are checked without these.
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from edge_runtime.serve.row_schema import example_row

    assets = files("edge_runtime.serve") / "assets"
    style = (assets / "page.css").read_text("utf-8") + Path(__file__).with_name("page.css").read_text("utf-8")
    form = "".join((assets / name).read_text("utf-8") for name in ("field.js", "form.js"))
    script = (BUILT / SCRIPT).read_text("utf-8")
    environment = Environment(
        loader=PackageLoader("edge_export.web", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("page.html.j2").render(
        name=file,
        policy=_policy(style, form, script),
        style=Markup(style),
        **{name: Markup((assets / f"{name}.html").read_text("utf-8")) for name in ("row", "answer", "tensors")},
        example=Markup(_json({} if signature is None else example_row(signature))),
        artifact=Markup(_base64(gzip.compress(model, 9, mtime=0))),
        runtime=Markup(_base64((BUILT / RUNTIME).read_bytes())),
        form=Markup(form),
        script=Markup(script),
    )
    # A file's name may hold bytes that are not text.
    return page.encode(errors="replace")


def _policy(style: str, *scripts: str) -> str:
    """What the page may do: nothing but run its own scripts, and WebAssembly. No address can be reached."""
    return (
        f"default-src 'none'; script-src {' '.join(map(_hash, scripts))} 'wasm-unsafe-eval'; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'"


def _json(row: dict[str, Any]) -> str:
    """JSON in which no name ends the element that holds it."""
    return json.dumps(row, ensure_ascii=False).replace("<", "\\u003c")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
