from paths import FOUR_BLOBS
from servers import ask
from starlette.responses import Response
from starlette.types import ASGIApp

from edge_runtime import Predictor
from edge_runtime.serve import ServedModels, create_app


def test_paths_and_methods_that_are_not_there_are_refused_as_json() -> None:
    app = create_app(ServedModels({"blobs": Predictor(FOUR_BLOBS, device="cpu")}))
    missing, method = ask(app, "/v2/nothing"), ask(app, "/v2/health/live", method="DELETE")
    nothing = "there is nothing at /v2/nothing; GET /openapi.json says what there is"
    assert (missing.status, missing.json) == (404, {"error": nothing})
    assert (method.status, method.json["error"].partition("; ")[0]) == (405, "DELETE is not for /v2/health/live")
    assert sorted(method.headers["allow"].split(", ")) == ["GET", "HEAD"]


def test_middleware_that_is_added_sees_requests_for_models() -> None:
    def closed(_: ASGIApp) -> ASGIApp:
        return Response(status_code=401)

    app = create_app(ServedModels({"blobs": Predictor(FOUR_BLOBS, device="cpu")}))
    app.add_middleware(closed)
    for path in ("/models/blobs/predict", "/v2/models/blobs/infer"):
        assert ask(app, path, b"[[1, 2]]").status == 401
