"""The application: every route of the server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from edge_runtime.serve import infer, openapi, page, rows
from edge_runtime.serve.models import ServedModels
from edge_runtime.serve.requests import ModelEndpoint, json_response


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

    routes = [
        *infer.routes(models),
        *models.metrics.routes(),
        *rows.routes(models),
        *openapi.routes(models),
        *page.routes(),
    ]
    return _App(
        routes=routes,
        middleware=[Middleware(_Direct, endpoints=_endpoints(routes, models))],
        exception_handlers={HTTPException: _as_json},
        lifespan=lifespan,
    )


class _App(Starlette):
    def build_middleware_stack(self) -> ASGIApp:
        """Starlette's layers, and middleware that was added to the application."""
        stack = super().build_middleware_stack()
        (*added, direct) = self.user_middleware
        # To models, Starlette's own layers have nothing to add but time.
        return stack if added else direct.cls(stack, *direct.args, **direct.kwargs)


class _Direct:
    """Hands requests for models to their endpoints. To search all routes for them takes as long as a small call."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, tuple[ModelEndpoint, dict[str, str]]]) -> None:
        self._app, self._endpoints = app, endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and (found := self._endpoints.get(scope["path"])):
            endpoint, scope["path_params"] = found
            await endpoint(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _endpoints(routes: Sequence[Route], models: ServedModels) -> dict[str, tuple[ModelEndpoint, dict[str, str]]]:
    """The endpoints of each model by their paths, with the parameters that are in these."""
    return {
        route.path.replace("{name}", name): (route.endpoint, {"name": name})
        for route in routes
        if isinstance(route.endpoint, ModelEndpoint) and route.methods == {"POST"} and route.path.count("{") == 1
        for name in models
    }


async def _as_json(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, headers = request.scope["path"], error.headers or {}
    message = error.detail
    if error.status_code == 404:
        message = f"there is nothing at {path}; GET /openapi.json says what there is"
    elif error.status_code == 405:
        message = f"{request.method} is not for {path}; use {headers.get('Allow', 'another method')}"
    return json_response({"error": message}, error.status_code, headers)
