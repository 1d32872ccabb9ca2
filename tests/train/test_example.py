import numpy as np

from edge_train import four_blobs


def test_four_blobs() -> None:
    data = four_blobs(seed=3)
    assert data.test is not None
    assert data.train.inputs["x"].shape == (80, 2)
    assert data.test.inputs["x"].shape == (20, 2)
    for part in (data.train, data.test):
        assert {array.dtype for array in (*part.inputs.values(), part.target)} == {np.dtype("float32")}
    assert data.signature.labels == (0, 1)
    x = np.concatenate([data.train.inputs["x"], data.test.inputs["x"]])
    y = np.concatenate([data.train.target, data.test.target])
    # Opposite blobs have the same label: 1 if the coordinates differ in sign.
    far = np.abs(x).min(axis=1) > 0.4
    assert ((x.prod(axis=1) < 0) == (y == 1))[far].all()
    corners = np.sign(x)
    for corner in ((1, 1), (-1, -1), (1, -1), (-1, 1)):
        blob = x[(corners == corner).all(axis=1)]
        assert 20 <= len(blob) <= 30
        assert np.abs(blob.mean(axis=0) - corner).max() < 0.25
        assert (np.abs(blob.std(axis=0) - 0.3) < 0.15).all()
    feature = data.signature.features[0]
    assert (feature.minimum, feature.maximum) == (
        data.train.inputs["x"][:, 0].min(),
        data.train.inputs["x"][:, 0].max(),
    )
    for place, feature in enumerate(data.signature.features):
        assert feature.baseline == np.sort(data.train.inputs["x"][:, place])[39]


def test_same_seed_same_blobs() -> None:
    assert four_blobs(1).training_sha256 == four_blobs(1).training_sha256
    assert four_blobs(1).training_sha256 != four_blobs(2).training_sha256
