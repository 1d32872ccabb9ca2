"""The application: every route of the server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edge_runtime.serve import infer
from edge_runtime.serve.models import ServedModels


def create_app(models: ServedModels) -> Starlette:
    """An ASGI application that serves `models`, for uvicorn or another server, or to be mounted in an application.

    While its lifespan lasts, it follows the files of the models: a changed one is reloaded. An application that it is
    mounted in has a lifespan of its own, and may await `models.follow_files()` there.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(models.follow_files())
        yield
        following.cancel()

    return Starlette(
        routes=[*infer.routes(models), *models.metrics.routes()],
        exception_handlers={HTTPException: _as_json},
        lifespan=lifespan,
    )


async def _as_json(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Response(orjson.dumps({"error": error.detail}), error.status_code, error.headers, "application/json")
