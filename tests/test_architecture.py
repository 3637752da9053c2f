"""Nobody imports upwards, and every config builds and survives a round on tiny data."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import ROOT, command

PACKAGE = ROOT / "gan_lab"
LEAVES = {"recipes", "parts", "sampling", "version"}  # everyone may import them
PARTS = {"networks", "losses", "penalties", "priors", "augment", "averaging"}  # torch only; siblings are strangers
MAY_IMPORT: dict[str, set[str]] = {
    "recipes": set(),
    "version": set(),
    "parts": set(),
    "sampling": set(),
    "exports": set(),
    **{part: set() for part in PARTS},
    "strategies": set(),
    "streams": set(),
    "game": {"penalties", "strategies", "streams"},
    "gans": {"game", "losses", "penalties", "priors", "averaging"},
    "data": set(),
    "metrics": set(),
    "pictures": set(),
    "loggers": set(),
    "checkpoints": {"game"},
    "callbacks": {"game", "metrics", "pictures", "loggers", "checkpoints"},
    "analysis": {"game", "metrics", "pictures", "checkpoints"},
}
ABOVE = {"cli", "app", "__main__", "__init__"}  # import what they like
TORCH_ONLY = {"torch", "numpy", "jaxtyping", "math"}  # besides the standard library


def modules() -> Iterator[tuple[str, Path]]:
    """Each file and the row of the table that it belongs to."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path


def imported(path: Path) -> set[str]:
    """The full names of the modules that a file imports, wherever in it; type hints' too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path) if name.startswith("gan_lab.")}


@pytest.mark.parametrize(("row", "path"), modules(), ids=lambda value: value if isinstance(value, str) else value.stem)
def test_nobody_imports_upwards(row: str, path: Path) -> None:
    if row in ABOVE:
        return
    assert row in MAY_IMPORT, f"say in this test what {row} may import"
    assert ours(path) <= MAY_IMPORT[row] | LEAVES | {row}


@pytest.mark.parametrize(
    "path", [path for row, path in modules() if row in PARTS | LEAVES], ids=lambda path: path.relative_to(PACKAGE).stem
)
def test_parts_work_without_lightning(path: Path) -> None:
    import sys

    outside = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names) - {"gan_lab"}
    assert outside <= TORCH_ONLY


def test_the_check_sees_an_import_upwards(tmp_path: Path) -> None:
    """The control."""
    (tmp_path / "bad.py").write_text("def f():\n    from gan_lab.cli import main\n    import gan_lab.game as g\n")
    assert ours(tmp_path / "bad.py") == {"cli", "game"}


def configs() -> list[Path]:
    """Those that name a game; what is merged over one or swept over names none."""
    found = [*(ROOT / "configs").rglob("*.yaml"), *(ROOT / "experiments").rglob("*.yaml")]
    return sorted(path for path in found if "model" in (yaml.safe_load(path.read_text()) or {}))


@pytest.mark.parametrize("config", configs(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_config_survives_a_round(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch of four, random images in the place of files that are not there."""
    plain = yaml.safe_load(config.read_text())
    tiny = ["--data.batch_size=4", "--data.scored=8", "--samples.num=4"]
    kind = plain["data"]["class_path"].rsplit(".", 1)[-1]
    if kind == "ImageFolder":
        size = plain["data"].get("init_args", {}).get("size", 64)
        folder(tmp_path / "pictures", size)
        tiny.append("--data.root=pictures")
    elif kind != "Toy2D" and kind != "Digits":
        stand_in(kind, monkeypatch)
    if kind != "Toy2D":
        tiny.append("--scores.features=none")
    rounds = 2
    said = command(tmp_path, "fit", "--config", config, f"--rounds={rounds}", *tiny)
    assert said.code == 0, said.err
    told = [line for line in said.err.splitlines() if line[0] not in "┏┃┡│└├┗"]
    assert [line.split()[0] for line in told] == ["round", "2"], said.err  # no warnings
    (run,) = (tmp_path / "runs").glob("*/0")
    assert json.loads((run / "summary.json").read_text())["rounds"] == rounds
    assert command(tmp_path, "sample", run, "--num", 3).code == 0


def stand_in(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random images of the right shape and labels, for data that is downloaded."""
    from gan_lab import data

    cls = getattr(data, kind)

    def load(self: Any, split: str) -> Any:
        random = torch.Generator().manual_seed(len(split))
        labels = None if self.num_classes is None else torch.arange(20) % self.num_classes
        return data.Table(torch.randint(256, (20, *self.shape), generator=random, dtype=torch.uint8), labels)

    monkeypatch.setattr(cls, "load", load)
    monkeypatch.setattr(cls, "prepare_data", lambda self: None)


def folder(root: Path, size: int | list[int]) -> None:
    """Twenty photographs of noise in two classes."""
    import numpy as np
    from PIL import Image

    height, width = (size, size) if isinstance(size, int) else size
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for number in range(10):
            Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(
                root / name / f"{number}.png"
            )
