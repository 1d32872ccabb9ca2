"""The Open Inference Protocol, version 2, over REST."""

from collections.abc import Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge_runtime.contract.version import __version__
from edge_runtime.serve.models import ServedModels


def routes(models: ServedModels) -> list[Route]:
    """The routes of the protocol."""
    return [
        Route("/v2", _plain(lambda _: (200, {"name": "edge-serve", "version": __version__, "extensions": []}))),
        Route("/v2/health/live", _plain(lambda _: (200, {"live": True}))),
        Route("/v2/health/ready", _plain(lambda _: (200 if models.is_ready else 503, {"ready": models.is_ready}))),
    ]


def _plain(answer: Callable[[Request], tuple[int, object]]) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        status, content = answer(request)
        return Response(orjson.dumps(content), status, media_type="application/json")

    return endpoint
