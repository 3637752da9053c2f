"""Laws that every data set keeps."""

from collections.abc import Callable

import pytest
import pytorch_lightning as pl
import torch

from gan_lab.data import CIFAR10, MNIST, Data, DataError, Digits, FashionMNIST, Files, ImageFolder, Images, Table, Toy2D
from gan_lab.data.base import held_out, unit_range
from gan_lab.recipes import build, recipe

MEMBERS = ["Digits", "MNIST", "FashionMNIST", "CIFAR10", "ImageFolder", "labelled ImageFolder", "ring8", "swiss_roll"]
MakeData = Callable[..., Data]


@pytest.fixture(params=MEMBERS)
def make(request) -> MakeData:
    def files(name: str, *args: object) -> str:
        made = request.getfixturevalue(name)
        return str(made(*args) if callable(made) else made)

    makers: dict[str, MakeData] = {
        "Digits": Digits,
        "MNIST": lambda **more: MNIST(files("mnist_root"), validation=20, **more),
        "FashionMNIST": lambda **more: FashionMNIST(files("mnist_root"), validation=20, size=32, **more),
        "CIFAR10": lambda **more: CIFAR10(files("cifar_root"), validation=20, **more),
        "ImageFolder": lambda **more: ImageFolder(files("folder", 40), size=8, **more),
        "labelled ImageFolder": lambda **more: ImageFolder(files("folder", 20, ("a", "b")), size=[8, 6], **more),
    }
    return makers.get(request.param, lambda **more: Toy2D(request.param, count=400, validation=100, **more))


def everything(data: Data, split: str) -> list[bytes]:
    images = torch.cat([image for image, _ in data.reals(split)])
    return sorted(image.numpy().tobytes() for image in images)


class Still(pl.LightningModule):
    """Keeps the batches it gets and learns nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.seen: dict[str, list[tuple[torch.Tensor, ...]]] = {"train": [], "validation": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"].append(batch)

    def validation_step(self, batch, batch_idx):
        self.seen["validation"].append(batch)

    def configure_optimizers(self):
        return None


def fit(data: Data, rounds: int = 3, **kwargs) -> Still:
    module = Still()
    trainer = pl.Trainer(
        accelerator="cpu",
        limit_train_batches=rounds,
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **kwargs,
    )
    trainer.fit(module, datamodule=data)
    return module


def test_tells_its_shape_before_it_loads(make):
    data = make()
    assert not data._items
    for split in ("train", "validation", "test"):
        items = data.items(split)
        assert items.shape == data.shape
        assert (items.labels is None) == (data.num_classes is None)
        if items.labels is not None:
            assert items.labels.dtype == torch.int64
            assert 0 <= items.labels.min() <= items.labels.max() < data.num_classes
    assert not set("-_/ ") & set(data.name)


def test_the_splits_are_disjoint(make):
    data = make()
    assert not set(everything(data, "train")) & set(everything(data, "validation"))


def test_the_seed_fixes_what_is_held_out(make):
    first, again, other = make(), make(), make(seed=1)
    assert first.fingerprint("validation") == again.fingerprint("validation") != other.fingerprint("validation")
    if isinstance(first, Images):
        parts = [sorted(everything(data, "train") + everything(data, "validation")) for data in (first, other)]
        assert parts[0] == parts[1]


def test_unknown_splits_are_refused(make):
    with pytest.raises(DataError, match="train, validation, test"):
        make().items("valid")


def test_reals_come_once_in_order_and_in_shares(make):
    data = make()
    whole = torch.cat([image for image, _ in data.reals("validation")])
    shares = [torch.cat([image for image, _ in data.reals("validation", 8, rank, 2)]) for rank in range(2)]
    assert len(whole) == len(data.items("validation"))
    assert len(shares[0]) + len(shares[1]) == len(whole)
    assert whole.dtype == (torch.uint8 if isinstance(data, Images) else torch.float32)


def test_a_trainer_gets_what_networks_expect(make):
    data = make(batch_size=8, scored=21)
    seen = fit(data).seen
    assert len(seen["train"]) == 3
    assert sum(len(image) for image, *_ in seen["validation"][2:]) == 21  # two are Lightning's sanity check
    for image, *label in [*seen["train"], *seen["validation"]]:
        assert len(label) == (data.num_classes is not None)
        assert image.shape[1:] == data.shape
        assert image.dtype == torch.float32
        if isinstance(data, Images):
            assert image.is_contiguous(memory_format=torch.channels_last)
            assert -1 <= image.min() < -0.5
            assert 0.5 < image.max() <= 1
        if label:
            assert label[0].dtype == torch.int64


def test_a_trainer_gets_the_same_from_files_that_do_not_fit(folder, request):
    root = str(folder(20, ("a", "b")))
    held = fit(ImageFolder(root, size=8, batch_size=5)).seen
    request.getfixturevalue("streamed")
    data = ImageFolder(root, size=8, batch_size=5, workers=2)
    seen = fit(data).seen
    for split, batches in seen.items():
        for batch, expected in zip(batches, held[split], strict=True):
            assert all(torch.equal(a, b) for a, b in zip(batch, expected, strict=True))
    assert isinstance(data._nearby("train"), Files)


def test_its_recipe_builds_it(make):
    data = make()
    again = build(recipe(data))
    assert recipe(again) == recipe(data)
    assert again.fingerprint("train") == data.fingerprint("train")


def test_the_range_is_exact():
    grey = unit_range(torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)).flatten()
    assert (grey[0], grey[255]) == (-1, 1)
    torch.testing.assert_close(grey.diff(), torch.full((255,), 2 / 255), rtol=0, atol=1e-6)


def test_flips_half_of_the_images_in_training_only():
    torch.manual_seed(0)
    data = Digits(flip=True, batch_size=1000)
    plain = Digits(batch_size=1000)
    flipped, straight = (fit(some, 1).seen for some in (data, plain))
    (image, label), (original, same_label) = flipped["train"][0], straight["train"][0]
    kept = (image == original).flatten(1).all(1)
    mirrored = (image == original.flip(3)).flatten(1).all(1)
    assert (kept | mirrored).all()
    assert 0.45 < mirrored.float().mean() < 0.55
    assert torch.equal(label, same_label)
    assert torch.equal(flipped["validation"][0][0], straight["validation"][0][0])


def test_the_fingerprint_sees_one_pixel_and_one_label():
    content, labels = torch.zeros(4, 1, 3, 3, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)
    brighter, relabelled = content.clone(), labels.clone()
    brighter[2, 0, 1, 1] = 1
    relabelled[3] = 1
    tables = [Table(content, labels), Table(brighter, labels), Table(content, relabelled), Table(content)]
    prints = [table.fingerprint() for table in [*tables, Table(content.view(4, 1, 1, 9), labels)]]
    assert len(set(prints)) == 5
    assert Table(content.clone(), labels.clone()).fingerprint() == prints[0]


@pytest.mark.parametrize("held", [7, 0.3, 99])
def test_held_out_rows_are_exhaustive_and_keep_the_shares_of_classes(held):
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    train, validation = held_out(100, held, 0, labels)
    assert sorted([*train.tolist(), *validation.tolist()]) == list(range(100))
    assert len(validation) == (30 if held == 0.3 else held)
    shares = labels[validation].bincount(minlength=3) / len(validation) - torch.tensor([0.5, 0.3, 0.2])
    assert shares.abs().max() <= 1 / len(validation)


@pytest.mark.parametrize("held", [0, 100, 0.001, 500, -3])
def test_empty_splits_are_refused(held):
    with pytest.raises(DataError, match=r"--data\.validation"):
        held_out(100, held, 0)


@pytest.mark.parametrize("bad", [{"batch_size": 0}, {"scored": 0}])
def test_counts_below_one_are_refused(bad):
    with pytest.raises(DataError, match=f"--data.{next(iter(bad))} is 0"):
        Digits(**bad)


def test_a_batch_larger_than_the_split_is_refused():
    with pytest.raises(DataError, match=r"--data\.batch_size to 1197 or less"):
        Digits(batch_size=1198).train_dataloader()


@pytest.mark.parametrize("limit", [3, 5, 12])
@pytest.mark.parametrize("every", [2, 3, 5])
def test_a_killed_run_sees_the_rest_of_the_images(tmp_path, limit, every):
    """Epochs of 5 rounds, Lightning's own epochs of `limit` rounds; saved after `every`, then resumed."""

    class Counted(Still):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))

        def training_step(self, batch, batch_idx):
            super().training_step(batch, batch_idx)
            optimizer = self.optimizers()
            self.weight.grad = torch.zeros(())
            optimizer.step()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    def run(rounds, ckpt_path=None):
        module = Counted()
        trainer = pl.Trainer(
            accelerator="cpu",
            max_steps=rounds,
            limit_train_batches=limit,
            limit_val_batches=0,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )
        trainer.fit(module, datamodule=Digits(batch_size=239), ckpt_path=ckpt_path)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        return [label.tolist() for _, label in module.seen["train"]]

    straight = run(11)
    assert len(straight) == 11
    assert run(every) + run(11, tmp_path / "last.ckpt") == straight
