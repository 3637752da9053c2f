"""The digits that come with scikit-learn: real images with no download."""

from typing import Any

import torch

from gan_lab.data.base import Images, held_out
from gan_lab.data.items import Table


class Digits(Images):
    """1,797 real handwritten digits of 8×8 pixels, 10 classes: grey levels 0 … 16 become 0 … 255.

    The "test" split is the same images as "validation": with so few, a third part would leave too little of each.

    The test part of: Alpaydın and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
    1998, as `sklearn.datasets.load_digits` has it.

    Args:
        validation: images held out; every class keeps its share.
        kwargs: of `Images` and `Data`.
    """

    name = "digits"
    shape = (1, 8, 8)
    num_classes = 10

    def __init__(self, validation: int = 600, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validation = validation

    def load(self, split: str) -> Table:
        from sklearn.datasets import load_digits

        source = load_digits()
        images = (torch.from_numpy(source.images) * (255 / 16) + 0.5).to(torch.uint8).unsqueeze(1)
        labels = torch.from_numpy(source.target).long()
        train, validation = held_out(len(images), self.validation, self.seed, labels)
        rows = train if split == "train" else validation
        return Table(images[rows], labels[rows])
