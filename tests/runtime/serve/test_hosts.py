import pytest
from servers import ask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from edge_runtime.serve.hosts import asked_by

APP = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8000",
        "model.localhost:8000",
        "127.0.0.1:8000",
        "192.168.0.7",
        "[::1]:8000",
        "[fe80::1]",
        "worker-1",
        "models.example.com",
        "Models.Example.com:443",
        "",
    ],
)
def test_who_may_ask(host: str) -> None:
    assert ask(asked_by({"models.example.com"}, APP), "/", host=host).body == b"here"


@pytest.mark.parametrize(
    "host",
    ["example.com", "localhost.example.com:8000", "127.0.0.1.example.com", "models.example.com.", "1.2.3", "[a.b"],
)
def test_a_site_whose_name_leads_here(host: str) -> None:
    response = ask(asked_by({"models.example.com"}, APP), "/", host=host)
    assert response.status == 403
    name = host.removesuffix(":8000").removeprefix("[")
    assert response.json == {"error": f"the server is not asked by the name {name!r}; see --allowed-host"}


def test_any_name() -> None:
    assert asked_by({"*"}, APP) is APP
