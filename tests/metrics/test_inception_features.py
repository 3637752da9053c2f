"""InceptionFeatures without a network: random weights in a file, in place of the published ones."""

import pytest
import torch
from torch.utils.data import Dataset

from gan_lab.metrics import KID, PRDC, TORCH_FIDELITY, ImageScores, InceptionFeatures, RealStatistics
from gan_lab.metrics.order import AsTorchFidelity

pytestmark = pytest.mark.slow


def images(n, channels=3, seed=0):
    stream = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, 16, 16), generator=stream, dtype=torch.uint8)


class Images(Dataset):
    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data[index]


def test_other_weights_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="doesn't hold the weights") as caught:
        InceptionFeatures(tmp_path / "other.pth")
    assert "\n" not in str(caught.value)


def test_shapes_grey_images_and_what_torch_fidelity_answers(inception_weights):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    before = torch.get_rng_state()
    features = InceptionFeatures(inception_weights)
    assert torch.equal(before, torch.get_rng_state())
    found, logits = features(images(2))
    assert (found.shape, logits.shape) == ((2, 2048), (2, 1008))
    theirs = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=inception_weights
    )(images(2))
    torch.testing.assert_close((found, logits), theirs, rtol=0, atol=0)
    grey = images(2, channels=1)
    assert torch.equal(features(grey)[0], features(grey.expand(-1, 3, -1, -1))[0])
    with pytest.raises(ValueError, match="2 channels"):
        features(images(2, channels=2))


def test_names_tell_the_weights_and_the_resizing(inception_weights, monkeypatch):
    names = {InceptionFeatures(inception_weights, how).name for how in ("tf1", "clean", "bilinear")}
    assert len(names) == 3
    features = InceptionFeatures(inception_weights, "clean")
    assert features.name == f"inception-v1-clean-{features.sha[:8]}"
    assert len({InceptionFeatures(inception_weights, how).fingerprint() for how in ("tf1", "clean")}) == 2
    monkeypatch.setattr(InceptionFeatures, "published", features.sha[:8])
    assert InceptionFeatures(inception_weights).name == "inception-v1-tf1"
    assert not torch.allclose(features(images(1))[0], InceptionFeatures(inception_weights)(images(1))[0], rtol=1e-3)


def test_scores_equal_torch_fidelity(inception_weights, monkeypatch):
    """Same images, same weights, torch-fidelity's own subsets and splits: its own numbers."""
    from torch_fidelity import calculate_metrics

    n, size = 40, 25
    fake, real = images(n, seed=1) // 2, images(n + 3, seed=2)
    theirs = calculate_metrics(
        input1=Images(fake), input2=Images(real), fid=True, kid=True, isc=True, prc=True, cuda=False, verbose=False,
        cache=False, kid_subset_size=size, kid_subsets=7, isc_splits=10, save_cpu_ram=True, batch_size=20,
        feature_extractor="inception-v3-compat", feature_extractor_weights_path=str(inception_weights),
    )  # fmt: skip
    features = InceptionFeatures(inception_weights)
    rules = TORCH_FIDELITY | {"kid": KID(size, 7, AsTorchFidelity()), "prdc": PRDC()}
    scores = ImageScores(features, RealStatistics.of(real, features, "noise"), scores=rules)
    for batch in fake.split(20):
        scores.update(batch)
    with pytest.warns(UserWarning, match="40 images in 2048 dimensions"):
        found = scores.compute()
    assert found["kid"].protocol == f"kid40-25x7-torchfidelity_noise_inception-v1-tf1-{features.sha[:8]}"
    assert found["fid"].value == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
    assert found["kid"].value == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    error = theirs["kernel_inception_distance_std"] / 6**0.5  # theirs is over all seven, and of one subset
    assert found["kid"].error == pytest.approx(error, rel=1e-3)
    assert found["isc"].value == pytest.approx(theirs["inception_score_mean"], rel=1e-4)
    assert found["precision"].value == theirs["precision"]
    assert found["recall"].value == theirs["recall"]
