"""``gan-lab sample`` and ``gan_lab.load``: pictures and tensors from a checkpoint, wherever it lies."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import BLIND, CONFIG, NARROW, ROOT, Said, command
from PIL import Image
from torch import Tensor

import gan_lab as lab
from gan_lab.game import Game
from gan_lab.sampling import seeded

Run = Callable[..., Said]
TILE, GAP = 48, 2  # an 8×8 digit enlarged, and what lies between two


def levels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


def tiles(grid: np.ndarray, count: int) -> list[np.ndarray]:
    """The pictures in a grid, row after row."""
    columns = (grid.shape[1] - GAP) // (TILE + GAP)
    starts = [(GAP + (TILE + GAP) * (i // columns), GAP + (TILE + GAP) * (i % columns)) for i in range(count)]
    return [grid[y : y + TILE, x : x + TILE] for y, x in starts]


def test_the_same_seed_draws_the_same_bytes(trained: tuple[Path, Said], gan_lab: Run, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        said = gan_lab("sample", trained[0], "--num", 4, "--seed", seed, "--out", f"new/{name}.png")
        assert said == Said(0, f"new/{name}.png\n", "")
    a, b, c = ((tmp_path / "new" / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(("num", "columns", "rows"), [(2, 2, 1), (5, 3, 2), (16, 4, 4), (300, 18, 17)])
def test_as_many_are_drawn_as_asked(
    num: int, columns: int, rows: int, trained: tuple[Path, Said], gan_lab: Run, tmp_path: Path
) -> None:
    gan_lab("sample", trained[0], "--num", num)
    grid = levels(tmp_path / "grid.png")
    assert grid.shape == (GAP + rows * (TILE + GAP), GAP + columns * (TILE + GAP))
    blank = [tile.min() == tile.max() for tile in tiles(grid, columns * rows)]
    assert blank == [False] * num + [True] * (columns * rows - num)


def test_the_picture_is_what_load_draws(trained: tuple[Path, Said], gan_lab: Run, tmp_path: Path) -> None:
    gan_lab("sample", trained[0] / "checkpoints" / "last.ckpt", "--num", 9, "--seed", 5)
    images = lab.load(trained[0] / "checkpoints" / "last.ckpt").sample(9, seed=5)  # type: ignore[operator]
    seen = torch.from_numpy(np.stack(tiles(levels(tmp_path / "grid.png"), 9))[:, ::6, ::6].copy())
    assert torch.equal(seen, ((images[:, 0] + 1) * 127.5).round().to(torch.uint8))


def test_a_run_folder_means_its_best_checkpoint(trained: tuple[Path, Said]) -> None:
    folder, _ = trained
    best = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert lab.load(folder).rounds == best["gan_lab"]["rounds"]
    assert lab.load(str(folder)).rounds == best["gan_lab"]["rounds"]


def test_points_give_a_scatter(gan_lab: Run, tmp_path: Path) -> None:
    toy = ROOT / "configs" / "toy" / "ring8.yaml"
    few = ("--data.count=512", "--data.validation=256", "--samples.num=50", "--rounds=2")
    assert gan_lab("fit", "--config", toy, *few).code == 0
    assert gan_lab("sample", "runs/ring8/0", "--num", 50).code == 0
    for path in (tmp_path / "grid.png", tmp_path / "runs" / "ring8" / "0" / "samples" / "0000002.png"):
        with Image.open(path) as picture:
            assert picture.size == (500, 500)
            colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        assert (colours.max(axis=1) - colours.min(axis=1) > 100).sum() > 50  # the generated are orange


class Numbered(lab.parts.Generator):
    """Draws images as grey as the label is high."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.shape, self.z_dim = (1, 8, 8), 4
        self.condition = lab.networks.OneHot(classes)
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        assert condition is not None
        grey = condition.float() / 5 - 1
        return grey[:, None, None, None].expand(-1, 1, 8, 8) + 0 * self.weight


def test_a_conditional_generator_draws_its_classes_in_turn(tmp_path: Path) -> None:
    critic = lab.networks.MLPDiscriminator((1, 8, 8), hidden=(4,))
    game = lab.GAN(Numbered(), critic, lab.priors.Gaussian(4))
    greys = game.sample(23, seed=0)[:, 0, 0, 0]
    torch.testing.assert_close(greys, (torch.arange(23) % 10) / 5 - 1)
    asked = game.sample(3, seed=0, condition=torch.tensor([7, 7, 2]))[:, 0, 0, 0]
    torch.testing.assert_close(asked, torch.tensor([0.4, 0.4, -0.6]))


def test_a_conditional_run_draws_by_class(gan_lab: Run, tmp_path: Path) -> None:
    conditional = ("--model.generator.condition=OneHot", "--model.discriminator.condition=Embedding")
    assert gan_lab("fit", "--config", CONFIG, *NARROW, BLIND, *conditional, "--rounds=3").code == 0
    assert gan_lab("sample", "runs/dcgan/0", "--num", 20).code == 0
    game = lab.load(tmp_path / "runs" / "dcgan" / "0")
    with torch.no_grad(), seeded(0):
        expected = game.answering(game.prior(20), torch.arange(20) % 10)  # type: ignore[operator]
    seen = torch.from_numpy(np.stack(tiles(levels(tmp_path / "grid.png"), 20))[:, ::6, ::6].copy())
    assert torch.equal(seen, ((expected[:, 0] + 1) * 127.5).round().to(torch.uint8))


def test_a_plain_script_needs_no_more_than_the_file(trained: tuple[Path, Said], tmp_path: Path) -> None:
    """In a process of its own: no config, no command line, nothing trained."""
    path = tmp_path / "moved.ckpt"
    path.write_bytes((trained[0] / "checkpoints" / "last.ckpt").read_bytes())
    script = (
        "import gan_lab, torch\n"
        "from gan_lab import GAN\n"
        f"images = gan_lab.load({str(path)!r}).sample(16, seed=0)\n"
        f"again = GAN.load_from_checkpoint({str(path)!r}).sample(16, seed=0)\n"
        "print(tuple(images.shape), torch.equal(images, again), bool(images.abs().max() <= 1))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("(16, 1, 8, 8) True True\n", "")


def test_a_checkpoint_of_another_game_is_refused(trained: tuple[Path, Said]) -> None:
    with pytest.raises(TypeError, match="holds a GAN, not a WGAN"):
        lab.WGAN.load_from_checkpoint(trained[0] / "checkpoints" / "last.ckpt")
    assert isinstance(Game.load_from_checkpoint(trained[0] / "checkpoints" / "last.ckpt"), lab.GAN)


def test_help_says_what_sample_takes(tmp_path: Path) -> None:
    said = command(tmp_path, "sample", "--help")
    assert said.code == 0
    for option in ("--num", "--seed", "--out", "--device", "--trust"):
        assert option in said.out
