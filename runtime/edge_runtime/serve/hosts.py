"""By which names a server may be asked.

The page of a site can make the site's own name lead to this machine (DNS rebinding). To the browser both are then one
site, and the page may read the answers of a server here. But the requests have that name in their Host header.
"""

import functools
import ipaddress
from collections.abc import Set

from starlette.types import ASGIApp, Receive, Scope, Send

from edge_runtime.serve.refusals import Refused
from edge_runtime.serve.requests import failure, send_answer

# The longest name that a domain may have.
_LONGEST = 253


def asked_by(names: Set[str], app: ASGIApp) -> ASGIApp:
    """`app`, which is asked by addresses, by names of the local network, which have no dot, and by `names`.

    Everything else is refused (403), unless * is among `names`. Browsers send a name with each request; programs that
    send none are answered.
    """
    known = {name.lower() for name in names}

    @functools.lru_cache(maxsize=64)
    def takes(host: bytes) -> bool:
        name = _name(host)
        return "." not in name or name in known or name.endswith(".localhost") or _is_address(name)

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for header, value in scope["headers"]:
                if header == b"host" and not takes(value):
                    shown = _name(value)[:_LONGEST]
                    refused = Refused(403, f"the server is not asked by the name {shown!r}; see --allowed-host")
                    await send_answer(failure(refused), send)
                    return
        await app(scope, receive, send)

    return app if "*" in known else answering


def _name(host: bytes) -> str:
    """What stands before the port."""
    name = host.decode("latin-1").strip().lower()
    return name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
