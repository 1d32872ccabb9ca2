"""Models over HTTP: `edge-serve`, and the same as an application for other servers."""

from edge_runtime.contract.lazy import lazy_names

TYPE_CHECKING = False

if TYPE_CHECKING:
    from edge_runtime.serve.app import create_app
    from edge_runtime.serve.limits import ServeLimits
    from edge_runtime.serve.models import ServedModels

__all__ = ["ServeLimits", "ServedModels", "create_app"]

# Starlette is loaded with what needs it.
__getattr__ = lazy_names(
    __name__,
    {
        "ServeLimits": "edge_runtime.serve.limits",
        "ServedModels": "edge_runtime.serve.models",
        "create_app": "edge_runtime.serve.app",
    },
)
