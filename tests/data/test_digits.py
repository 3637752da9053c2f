import torch
from sklearn.datasets import load_digits

from gan_lab.data import Digits


def test_all_1797_digits_are_there_with_their_grey_levels():
    data = Digits()
    assert (len(data.items("train")), len(data.items("validation"))) == (1197, 600)
    images = torch.cat([data.items(split).content for split in ("train", "validation")])
    expected = torch.from_numpy(load_digits().images).mul(255 / 16)
    assert sorted(images.flatten(1).sum(1).tolist()) == sorted((expected + 0.5).floor().flatten(1).sum(1).tolist())
    assert len(images.unique()) == 17


def test_classes_keep_their_shares():
    data = Digits()
    counts = data.items("validation").labels.bincount()
    shares = torch.from_numpy(load_digits().target).bincount() / 1797
    assert (counts - 600 * shares).abs().max() <= 1


def test_the_test_split_is_the_validation_split():
    data = Digits()
    assert data.fingerprint("test") == data.fingerprint("validation") != data.fingerprint("train")
