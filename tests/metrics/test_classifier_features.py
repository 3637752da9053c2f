"""Laws of the classifier: accurate, the same each time, without a trace on the caller, and cached by content."""

from pathlib import Path

import pytest
import torch

from gan_lab.metrics import ClassifierFeatures
from gan_lab.metrics import classifier as module


def weights(features):
    return torch.cat([part.flatten() for part in features.state_dict().values()])


def trained(digits, folder, images=None):
    """On few images, which is quick."""
    images = digits.train[:100] if images is None else images
    return ClassifierFeatures.trained_on(images, digits.train_labels[:100], 10, cache_dir=folder)


def test_recognises_97_of_100_unseen_digits(classifier, digits):
    features, logits = classifier(digits.unseen)
    assert features.shape == (600, 64)
    assert (logits.argmax(dim=1) == digits.unseen_labels).float().mean() >= 0.97


def test_two_trainings_give_the_same_weights(digits, tmp_path):
    torch.manual_seed(1)
    first = trained(digits, tmp_path / "a")
    torch.manual_seed(2)
    second = trained(digits, tmp_path / "b")
    assert torch.equal(weights(first), weights(second))
    assert first.fingerprint() == second.fingerprint()


def test_global_random_stream_is_left_alone(digits, tmp_path):
    before = torch.get_rng_state()
    trained(digits, tmp_path)
    ClassifierFeatures((3, 32, 32), 10)
    assert torch.equal(before, torch.get_rng_state())


def test_cached_by_content(digits, tmp_path, monkeypatch):
    calls = []
    train = module._train
    monkeypatch.setattr(module, "_train", lambda *args: calls.append(1) or train(*args))
    first = trained(digits, tmp_path)
    assert torch.equal(weights(first), weights(trained(digits, tmp_path)))
    assert len(calls) == 1
    another = digits.train[:100].clone()
    another[0, 0, 0, 0] += 1
    trained(digits, tmp_path, another)
    assert len(calls) == 2
    assert len(list(Path(tmp_path).iterdir())) == 2


def test_corrupt_cache_is_rebuilt(digits, tmp_path):
    first = trained(digits, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(UserWarning, match="made anew"):
        again = trained(digits, tmp_path)
    assert torch.equal(weights(first), weights(again))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_trains_where_gradients_are_off(digits, tmp_path, mode):
    with mode():
        images = digits.train[:100] + 0
        found = trained(digits, tmp_path, images)
        found(images)
    assert torch.equal(weights(found), weights(trained(digits, tmp_path / "other")))


def test_is_frozen_and_stays_in_evaluation_mode(classifier):
    assert not classifier.train().training
    assert not any(parameter.requires_grad for parameter in classifier.parameters())


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 48, 32), (2, 3, 5)])
def test_takes_any_size(shape, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "MAX_STEPS", 2)
    images = torch.randint(0, 256, (12, *shape), dtype=torch.uint8)
    found = ClassifierFeatures.trained_on(images, torch.arange(12) % 3, 3, cache_dir=tmp_path)
    features, logits = found(images)
    assert features.shape == (12, 64)
    assert logits.shape == (12, 3)
    assert features.isfinite().all()


def test_refusals(classifier, digits):
    images, labels = digits.train[:4], digits.train_labels[:4]
    with pytest.raises(ValueError, match="uint8"):
        ClassifierFeatures.trained_on(images.float(), labels, 10)
    with pytest.raises(ValueError, match="4 images need"):
        ClassifierFeatures.trained_on(images, labels[:3], 10)
    with pytest.raises(ValueError, match="don't fit 2 classes"):
        ClassifierFeatures.trained_on(images, torch.tensor([0, 1, 2, 0]), 2)
    with pytest.raises(ValueError, match="to_uint8"):
        classifier(images.float())
    with pytest.raises(ValueError, match="trained on images"):
        classifier(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize("quiet", [0.0, 60.0])
def test_progress_shows_on_terminals_only(digits, tmp_path, monkeypatch, capsys, quiet):
    monkeypatch.setattr(module, "QUIET_SECONDS", quiet)
    trained(digits, tmp_path)
    assert capsys.readouterr() == ("", "")
