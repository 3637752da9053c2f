"""Laws of memorisation: copies score 1, unseen reals just below a half, strangers 0."""

import pytest
import torch

from gan_lab.metrics import Memorisation


def normal(n, seed, shift=0.0):
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed)) + shift


def test_copies_reals_and_strangers():
    train, held_out = normal(400, 0), normal(301, 1)
    judge = Memorisation(held_out)
    assert judge.share(train[:100], train) == 1
    assert judge.share(train[:100] + 1e-3 * normal(100, 5), train) == 1
    assert judge.share(normal(200, 2, 9.0), train) == 0
    assert judge.share(held_out, train) == pytest.approx(150 / 301)
    assert judge.share(normal(400, 3), train) == pytest.approx(0.5, abs=0.1)


def test_a_share_of_copies_shows():
    train, judge = normal(400, 0), Memorisation(normal(300, 1))
    some = [judge.share(torch.cat([train[:n], normal(200 - n, 2)]), train) for n in (0, 50, 100, 200)]
    assert some == sorted(some)
    assert some[1] - some[0] > 0.08


def test_another_training_set_has_another_typical_distance():
    judge = Memorisation(normal(300, 1))
    first, second = normal(400, 0), normal(20, 0)
    typical = judge.typical(first)
    assert judge.typical(second) > typical
    assert judge.typical(first) == typical


def test_needs_held_out_reals():
    with pytest.raises(ValueError, match="held-out"):
        Memorisation(normal(0, 0))
