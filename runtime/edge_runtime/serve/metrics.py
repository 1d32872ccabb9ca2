"""What Prometheus reads at /metrics."""

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge_runtime.serve.models import ServedModels


def routes(models: ServedModels) -> list[Route]:
    """The route of the metrics."""

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(REGISTRY), headers={"content-type": CONTENT_TYPE_LATEST})

    return [Route("/metrics", metrics)]
