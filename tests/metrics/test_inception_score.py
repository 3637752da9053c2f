"""Laws of the Inception score: its ends, its bias, its parity with torch-fidelity."""

import math

import pytest
import torch
from torch.nn import functional as F

from gan_lab.metrics import AsTorchFidelity, ByContent, inception_score


def certain(classes):
    return 1000.0 * F.one_hot(classes, 10)


def random_classes(seed, n=1000):
    return torch.randint(10, (n,), generator=torch.Generator().manual_seed(seed))


def test_between_one_and_the_number_of_classes():
    assert inception_score(certain(torch.arange(1000) % 10), splits=1) == pytest.approx(10)
    assert inception_score(certain(torch.zeros(1000).long())) == pytest.approx(1)
    assert inception_score(torch.zeros(1000, 10)) == pytest.approx(1)


@pytest.mark.parametrize("splits", [1, 10])
def test_bias_of_parts(splits):
    """A part of n rows lacks (classes − 1)/2n nats of the entropy of p(y)."""
    found = sum(inception_score(certain(random_classes(seed)), splits, ByContent(seed)) for seed in range(8)) / 8
    assert found == pytest.approx(10 * math.exp(-9 * splits / 2000), abs=0.05)


def test_the_set_counts_not_its_order():
    logits = torch.randn(500, 10, generator=torch.Generator().manual_seed(0))
    assert inception_score(logits) == pytest.approx(inception_score(logits.flip(0)), rel=1e-12)
    sorted_by_class = certain(torch.arange(1000) // 100)
    assert inception_score(sorted_by_class) > 9.4  # control: parts cut in the order given hold one class each
    assert inception_score(sorted_by_class, order=None) == pytest.approx(1)


@pytest.mark.parametrize("splits", [1, 10])
def test_equals_torch_fidelity(splits):
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = 3 * torch.randn(403, 12, generator=torch.Generator().manual_seed(0))
    theirs = isc_features_to_metric(logits, splits, shuffle=False)["inception_score_mean"]
    assert inception_score(logits, splits, order=None) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("n", [403, 20])
def test_equals_torch_fidelity_under_its_own_shuffle(n):
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = 3 * torch.randn(n, 12, generator=torch.Generator().manual_seed(0))
    theirs = isc_features_to_metric(logits)["inception_score_mean"]
    assert inception_score(logits, order=AsTorchFidelity()) == pytest.approx(theirs, rel=1e-9)
    keys = torch.arange(n)
    assert inception_score(logits.flip(0), keys=keys.flip(0)) == inception_score(logits, keys=keys)


def test_fewer_rows_than_parts():
    assert inception_score(certain(torch.arange(4))) == pytest.approx(1)


def test_refusals():
    with pytest.raises(ValueError, match="logits"):
        inception_score(torch.zeros(5, 0))
    with pytest.raises(ValueError, match="logits"):
        inception_score(torch.zeros(0, 5))
