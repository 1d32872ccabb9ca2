import urllib.request

from paths import FOUR_BLOBS
from servers import serving


def test_a_model_is_served() -> None:
    with serving(f"blobs={FOUR_BLOBS}") as server:
        assert urllib.request.urlopen(f"{server.url}/v2/health/ready").status == 200
