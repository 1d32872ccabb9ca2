"""The application: every route of the server."""

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edge_runtime.serve import infer, metrics
from edge_runtime.serve.models import ServedModels


def create_app(models: ServedModels) -> Starlette:
    """An ASGI application that serves `models`, for uvicorn or another server, or to be mounted in an application."""
    return Starlette(
        routes=[*infer.routes(models), *metrics.routes(models)],
        exception_handlers={HTTPException: _as_json},
    )


async def _as_json(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Response(orjson.dumps({"error": error.detail}), error.status_code, error.headers, "application/json")
