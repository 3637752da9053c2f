"""The digits that come with scikit-learn, a classifier of 1,197 of them, and a cache that goes away."""

from typing import NamedTuple

import pytest
import torch
from sklearn.datasets import load_digits
from small_weights import inception_state
from torch import Tensor

from gan_lab.metrics import ClassifierFeatures


class Digits(NamedTuple):
    train: Tensor  # uint8 (1197, 1, 8, 8)
    train_labels: Tensor
    unseen: Tensor  # uint8 (600, 1, 8, 8)
    unseen_labels: Tensor


@pytest.fixture(autouse=True, scope="session")
def cache_dir(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("GAN_LAB_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def digits() -> Digits:
    data = load_digits()
    images = torch.tensor(data.images / 16 * 255).round().to(torch.uint8).unsqueeze(1)
    labels = torch.tensor(data.target)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    train, unseen = order[:1197], order[1197:]
    return Digits(images[train], labels[train], images[unseen], labels[unseen])


@pytest.fixture(scope="session")
def classifier(digits, cache_dir) -> ClassifierFeatures:
    return ClassifierFeatures.trained_on(digits.train, digits.train_labels, 10)


@pytest.fixture(scope="session")
def inception_weights(tmp_path_factory):
    """Random but fixed weights of torch-fidelity's Inception, in a file."""
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(inception_state(), path)
    return path
