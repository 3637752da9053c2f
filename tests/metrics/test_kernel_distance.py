"""Laws of the kernel distance: closed forms, no bias, no trace on the global random stream."""

import pytest
import torch

from gan_lab.metrics import AsTorchFidelity, ByContent, kernel, kernel_distance, kernel_distances


def normal(n, d, seed, shift=0.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


def test_hand_vector_and_its_biased_control():
    x, y = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    assert kernel_distance(x, y) == pytest.approx(-2.375, abs=1e-12)

    def k(a, b):
        return ((a @ b.T / 2 + 1) ** 3).mean().item()

    assert k(x, x) + k(y, y) - 2 * k(x, y) == pytest.approx(0.5625)


def test_exact_value_in_one_dimension():
    found = kernel_distance(normal(20_000, 1, 0), normal(20_000, 1, 1, 0.7), subset_size=1500, subsets=40)
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
    assert first != kernel_distance(x, y, subset_size=50, subsets=10, order=ByContent(1))


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


def test_a_subset_larger_than_a_side_is_refused():
    x, y = normal(30, 4, 0), normal(20, 4, 1)
    with pytest.raises(ValueError, match="subset size from 2 to 20"):
        kernel_distance(x, y, subset_size=21)
    with pytest.raises(ValueError, match="0 subset"):
        kernel_distance(x, y, subset_size=5, subsets=0)


def test_error_is_that_of_drawing_subsets():
    """Means over other draws of subsets of the same images scatter by the error that one of them tells."""
    x, y = normal(300, 8, 0), normal(300, 8, 1, 0.3)
    found = kernel_distances(x, y, 60, 30)
    error = found.std().item() / 30**0.5
    means = torch.tensor([kernel_distance(x, y, 60, 30, ByContent(seed)) for seed in range(30)])
    assert means.std().item() == pytest.approx(error, rel=0.4)


@pytest.mark.parametrize(("n", "m"), [(300, 250), (100, 101)])
def test_equals_torch_fidelity_under_its_own_draws(n, m):
    from torch_fidelity.metric_kid import kid_features_to_metric

    x, y = normal(n, 64, 0), normal(m, 64, 1, 0.2)
    theirs = kid_features_to_metric(x, y, kid_subset_size=100, kid_subsets=9, verbose=False)
    found = kernel_distances(x, y, 100, 9, AsTorchFidelity())
    assert found.mean().item() == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-5)
    assert found.std(correction=0).item() == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-4)


def test_subsets_of_one_matrix_or_matrices_of_subsets(monkeypatch):
    """Whichever is cheaper; each is the distance of the rows drawn."""
    x, y, order = normal(70, 8, 0), normal(50, 8, 1, 0.3), ByContent(3)
    drawn = list(order.subsets(70, 50, 20, 30))
    ranked = order.ranked(x), order.ranked(y)
    straight = [kernel_distance(ranked[0][rows], ranked[1][others]) for rows, others in drawn]
    monkeypatch.setattr(kernel, "ROWS", 16)
    for subsets in (30, 3):
        found = kernel_distances(x, y, 20, subsets, order)
        torch.testing.assert_close(found, torch.tensor(straight[:subsets], dtype=torch.float64))
