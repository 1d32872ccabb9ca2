"""The page at `/`: a person fills in a row and sees the answer. It loads nothing from elsewhere."""

import base64
import functools
import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def routes() -> list[Route]:
    """The route of the page."""
    return [Route("/", _page)]


@functools.cache
def page() -> tuple[bytes, dict[str, str]]:
    """The page, with its style and its script in it, and its headers: the policy allows these two alone."""
    folder = files("edge_runtime.serve") / "assets"

    def asset(name: str) -> str:
        return (folder / name).read_text("utf-8")

    style, script = asset("page.css"), "".join(map(asset, ("field.js", "form.js", "page.js")))
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{_hash(style)}'",
            f"script-src 'sha256-{_hash(script)}'",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    html = asset("page.html")
    for place, text in {
        "<!-- row -->": asset("row.html"),
        "<!-- answer -->": asset("answer.html"),
        "<!-- tensors -->": asset("tensors.html"),
        "/* style */": style,
        "/* script */": script,
    }.items():
        html = html.replace(place, text)
    content = html.encode()
    return content, {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
        "etag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
    }


async def _page(request: Request) -> Response:
    content, headers = page()
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="text/html")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
