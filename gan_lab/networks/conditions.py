"""How a class label enters a network: as a vector, which the network joins to its input.

Mirza & Osindero 2014, Conditional Generative Adversarial Nets, https://arxiv.org/abs/1411.1784.
"""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn

from gan_lab.recipes import Recorded


class Condition(Recorded, nn.Module, ABC):
    """A label as a vector.

    Args:
        num_classes: how many classes there are.
        dim: the vector's size; None stands for `num_classes`.

    Raises:
        ValueError: `num_classes` is None.
    """

    def __init__(self, num_classes: int | None, dim: int | None = None) -> None:
        super().__init__()
        if num_classes is None:
            raise ValueError("num_classes is needed; with gan-lab fit it comes from the data")
        self.num_classes = num_classes
        self.dim = num_classes if dim is None else dim

    @abstractmethod
    def forward(self, label: Int[Tensor, " n"]) -> Float[Tensor, "n {self.dim}"]:
        """One vector a label; labels are class indices from 0 to num_classes − 1."""


class OneHot(Condition):
    """1 in the label's place, 0 elsewhere: nothing to learn.

    Args:
        num_classes: how many classes there are.
    """

    def __init__(self, num_classes: int | None = None) -> None:
        super().__init__(num_classes)

    def forward(self, label: Int[Tensor, " n"]) -> Float[Tensor, "n {self.dim}"]:
        return nn.functional.one_hot(label.long(), self.num_classes).float()


class Embedding(Condition):
    """A learned vector for each class, N(0, I) at first.

    Args:
        num_classes: how many classes there are.
        dim: the vectors' size.
    """

    def __init__(self, num_classes: int | None = None, dim: int = 50) -> None:
        super().__init__(num_classes, dim)
        self.table = nn.Embedding(self.num_classes, dim)

    def forward(self, label: Int[Tensor, " n"]) -> Float[Tensor, "n {self.dim}"]:
        return self.table(label)
