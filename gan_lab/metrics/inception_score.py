"""The Inception score: are the images clear, one class each, and do they cover the classes evenly?"""

import torch
from torch import Tensor

from gan_lab.metrics.order import ByContent, Order


def inception_score(
    logits: Tensor,
    splits: int = 10,
    order: Order | None = ByContent(),  # noqa: B008 (it is frozen)
    keys: Tensor | None = None,
) -> float:
    """``exp E KL(p(y|x) ‖ p(y))``, between 1 and the number of classes; the mean over `splits` parts.

    Salimans et al. 2016, arXiv:1606.03498. Biased downwards the smaller a part is, since its own p(y) is all it
    knows: by (classes − 1)/2n nats, so 1,000 one-hot rows drawn evenly from 10 classes give 9.96 in one part and
    9.56 in ten. Compare equal counts and splits.

    Args:
        logits: (n, classes), of a classifier that was not trained with the generator.
        splits: parts of equal size; one row each where there are fewer rows than parts.
        order: in which rows are dealt to parts; None keeps the order given.
        keys: (n,), what the rows are ranked by before they are dealt; None: by themselves.

    Raises:
        ValueError: no rows, or no classes.
    """
    if logits.ndim != 2 or 0 in logits.shape:
        raise ValueError(f"the Inception score needs logits (n, classes), not {tuple(logits.shape)}")
    rows = logits.double() if order is None else order.shuffled(logits.double(), keys)
    p = rows.softmax(dim=1)
    n, splits = len(p), min(splits, len(p))
    parts = [p[i * n // splits : (i + 1) * n // splits] for i in range(splits)]
    return sum(_score(part) for part in parts) / splits


def _score(p: Tensor) -> float:
    """KL(p(y|x) ‖ p(y)) averaged over x is H(E p) − E H(p), which has no 0·log 0."""
    entropy = torch.special.entr
    return (entropy(p.mean(dim=0)).sum() - entropy(p).sum(dim=1).mean()).exp().item()
