from paths import FOUR_BLOBS
from servers import ask

from edge_runtime import Predictor
from edge_runtime.contract.version import __version__
from edge_runtime.serve import ServedModels, create_app


def test_health_and_server_metadata() -> None:
    models = ServedModels({"blobs": Predictor(FOUR_BLOBS, device="cpu")})
    app = create_app(models)
    assert ask(app, "/v2/health/live").json == {"live": True}
    assert ask(app, "/v2/health/ready").json == {"ready": True}
    models.is_ready = False
    assert ask(app, "/v2/health/ready").status == 503
    assert ask(app, "/v2").json["version"] == __version__
