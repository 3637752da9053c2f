"""Laws of the kernel distance: closed forms, no bias, no trace on the global random stream."""

import pytest
import torch

from gan_lab.metrics import kernel_distance


def normal(n, d, seed, shift=0.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


def test_hand_vector_and_its_biased_control():
    x, y = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    assert kernel_distance(x, y) == pytest.approx(-2.375, abs=1e-12)

    def k(a, b):
        return ((a @ b.T / 2 + 1) ** 3).mean().item()

    assert k(x, x) + k(y, y) - 2 * k(x, y) == pytest.approx(0.5625)


def test_exact_value_in_one_dimension():
    found = kernel_distance(normal(20_000, 1, 0), normal(20_000, 1, 1, 0.7), subset_size=2000, subsets=40)
    assert found == pytest.approx(8.158549, rel=0.03)


def test_unbiased_at_small_counts():
    found = [kernel_distance(normal(30, 8, 2 * i), normal(20, 8, 2 * i + 1)) for i in range(300)]
    mean = torch.tensor(found).mean().item()
    error = torch.tensor(found).std().item() / len(found) ** 0.5
    assert abs(mean) < 4 * error
    assert min(found) < 0


def test_subsets_agree_with_the_whole():
    x, y = normal(900, 16, 0), normal(800, 16, 1, 0.5)
    assert kernel_distance(x, y, subset_size=200) == pytest.approx(kernel_distance(x, y), rel=0.05)


def test_the_set_counts_not_its_order():
    x, y = normal(300, 8, 0), normal(250, 8, 1, 0.2)
    first = kernel_distance(x, y, subset_size=50, subsets=10)
    again = kernel_distance(x.flip(0), y.roll(17, 0), subset_size=50, subsets=10)
    assert first == pytest.approx(again, rel=1e-9)
    assert first != kernel_distance(x, y, subset_size=50, subsets=10, seed=1)


def test_global_random_stream_is_left_alone():
    before = torch.get_rng_state()
    kernel_distance(normal(60, 4, 0), normal(60, 4, 1), subset_size=20, subsets=3)
    assert torch.equal(before, torch.get_rng_state())


def test_refusals():
    with pytest.raises(ValueError, match="2 images"):
        kernel_distance(normal(1, 4, 0), normal(9, 4, 1))
    with pytest.raises(ValueError, match="compared"):
        kernel_distance(normal(9, 4, 0), normal(9, 5, 1))


def test_equals_torch_fidelity_and_torchmetrics_on_whole_sets():
    from torch_fidelity.metric_kid import kernel_mmd
    from torchmetrics.image.kid import poly_mmd

    x, y = normal(120, 16, 0).double(), normal(120, 16, 1, 0.4).double()
    ours = kernel_distance(x, y)
    assert ours == pytest.approx(kernel_mmd(x.numpy(), y.numpy()), rel=1e-9)
    assert ours == pytest.approx(poly_mmd(x, y).item(), rel=1e-9)
