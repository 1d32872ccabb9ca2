from servers import ask

from edge_runtime.serve import ServedModels, create_app


def test_the_metrics_are_in_the_format_of_prometheus() -> None:
    response = ask(create_app(ServedModels({})), "/metrics")
    assert response.status == 200
    assert b"# TYPE" in response.body
