"""Laws of orders: content decides, or torch-fidelity's stream does; nothing global moves."""

import numpy as np
import torch

from gan_lab.metrics.order import AsTorchFidelity, ByContent, content_keys

ROWS = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))


def test_by_content_forgets_the_order():
    order = ByContent()
    assert torch.equal(order.shuffled(ROWS), order.shuffled(ROWS.flip(0)))
    assert not torch.equal(order.shuffled(ROWS), ByContent(1).shuffled(ROWS))
    keys = torch.arange(50).roll(13)
    assert torch.equal(order.shuffled(ROWS, keys), order.shuffled(ROWS.roll(5, 0), keys.roll(5)))
    assert torch.equal(order.ranked(ROWS, keys), ROWS[keys.argsort()])


def test_as_torch_fidelity_draws():
    order, stream = AsTorchFidelity(), np.random.RandomState(2020)
    assert torch.equal(order.ranked(ROWS, torch.arange(50).flip(0)), ROWS)
    assert torch.equal(order.shuffled(ROWS), ROWS[np.random.RandomState(2020).permutation(50)])
    for x, y in order.subsets(50, 40, 7, 3):
        assert np.array_equal(x, stream.choice(50, 7, replace=False))
        assert np.array_equal(y, stream.choice(40, 7, replace=False))


def test_subsets_hold_no_row_twice():
    for order in (ByContent(), AsTorchFidelity()):
        drawn = list(order.subsets(9, 12, 8, 4))
        assert all(len(x.unique()) == len(y.unique()) == 8 for x, y in drawn)
        assert len({tuple(x.tolist()) for x, _ in drawn}) == 4


def test_keys_are_the_rows_own():
    images = torch.randint(0, 256, (300, 3, 5, 7), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    keys = content_keys(images)
    assert len(keys.unique()) == 300
    assert torch.equal(content_keys(images.flip(0)), keys.flip(0))
    assert torch.equal(content_keys(images.to(memory_format=torch.channels_last)), keys)
    assert torch.equal(content_keys(images[:1]), keys[:1])
    changed = images.clone()
    changed[4, 2, 4, 6] ^= 1
    assert (content_keys(changed) != keys).nonzero().flatten().tolist() == [4]
    assert len(content_keys(images[:0])) == 0
