"""InceptionFeatures without a network: random weights in a file, in place of the published ones."""

import io
from urllib.error import URLError

import pytest
import torch

from gan_lab.metrics import ImageScores, InceptionFeatures, RealStatistics


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random but fixed weights of torch-fidelity's Inception, built without its download."""
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    network = theirs.FeatureExtractorInceptionV3
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        patch.setattr(theirs, "load_state_dict_from_url", lambda *args, **kwargs: {})
        patch.setattr(network, "load_state_dict", lambda self, state: None)
        built = network("inception-v3-compat", ["2048"])
        for module in built.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(built.state_dict(), path)
    return path


def images(n, channels=3, seed=0):
    stream = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, 16, 16), generator=stream, dtype=torch.uint8)


def test_no_network_asks_for_the_file(monkeypatch):
    def offline(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(ValueError, match="pass the file's path") as caught:
        InceptionFeatures()
    assert "\n" not in str(caught.value)


def test_files_that_hold_no_weights(tmp_path):
    with pytest.raises(ValueError, match="no file"):
        InceptionFeatures(tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(ValueError, match="read safely"):
        InceptionFeatures(tmp_path / "text.pth")


class Stranger:
    def __reduce__(self):
        return (exec, ("raise SystemExit('a stranger ran')",))


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    torch.save({"weight": Stranger()}, tmp_path / "stranger.pth")
    with pytest.raises(ValueError, match="read safely"):
        InceptionFeatures(tmp_path / "stranger.pth")


@pytest.mark.slow
def test_other_weights_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="doesn't hold the weights") as caught:
        InceptionFeatures(tmp_path / "other.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_shapes_and_grey_images(weights):
    before = torch.get_rng_state()
    features = InceptionFeatures(weights)
    assert torch.equal(before, torch.get_rng_state())
    found, logits = features(images(2))
    assert found.shape == (2, 2048)
    assert logits.shape == (2, 1008)
    grey = images(2, channels=1)
    assert torch.equal(features(grey)[0], features(grey.expand(-1, 3, -1, -1))[0])
    with pytest.raises(ValueError, match="2 channels"):
        features(images(2, channels=2))


@pytest.mark.slow
def test_scores_equal_torch_fidelity(weights):
    """Same images, same weights: FID, KID and Inception score of the original implementation."""
    from torch.utils.data import Dataset
    from torch_fidelity import calculate_metrics

    class Images(Dataset):
        def __init__(self, data):
            self.data = data

        def __len__(self):
            return len(self.data)

        def __getitem__(self, index):
            return self.data[index]

    fake, real = images(12, seed=1) // 2, images(12, seed=2)
    theirs = calculate_metrics(
        input1=Images(fake), input2=Images(real), fid=True, kid=True, isc=True, cuda=False, verbose=False, cache=False,
        kid_subset_size=12, kid_subsets=1, isc_splits=1, save_cpu_ram=True, batch_size=6,
        feature_extractor_weights_path=str(weights),
    )  # fmt: skip
    features = InceptionFeatures(weights)
    scores = ImageScores(features, RealStatistics.of(real, features, "noise"))
    scores.update(fake)
    found = scores.compute()
    assert found["fid"].protocol == "fid12_noise_inception-v1-tf1"
    assert found["fid"].value == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
    assert found["kid"].value == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-3)


def test_downloads_read_nothing_pickled(monkeypatch):
    """The one call that reaches out asks for tensors only and checks the file's hash."""
    asked = {}

    def hub(url, **kwargs):
        asked.update(kwargs, url=url)
        raise io.UnsupportedOperation("stop here")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", hub)
    with pytest.raises(ValueError, match="stop here"):
        InceptionFeatures()
    assert asked["weights_only"]
    assert asked["check_hash"]
