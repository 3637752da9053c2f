"""What the README says to type works."""

import re
from pathlib import Path

import pytest
import yaml
from command_line import ROOT, command

README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
LINES = [line.split("#")[0].split() for line in README.splitlines() if line.startswith("gan-lab ")]
FIT = [line[1:] for line in LINES if line[1] == "fit" and "configs/digits" in line[3]]


@pytest.mark.parametrize("arguments", FIT, ids=" ".join)
def test_the_commands_are_understood(arguments: list[str]) -> None:
    said = command(ROOT, *arguments, "--print_config")
    assert said.code == 0, said.err
    assert yaml.safe_load(said.out)["model"]["class_path"].split(".")[-1] == "GAN"


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, but for the length of the training; what one block writes the next reads."""
    monkeypatch.chdir(tmp_path)
    train, load, ship = PYTHON
    names: dict[str, object] = {}
    exec(train.replace("max_steps=500", "max_steps=2, accelerator='cpu'"), names)
    exec(load, names)
    assert tuple(names["images"].shape) == (16, 1, 8, 8)  # type: ignore[attr-defined]
    said = command(tmp_path, "export", "digits.ckpt", "--out", "digits")
    assert said.code == 0, said.err
    exec(ship, names)
    assert tuple(names["images"].shape) == (16, 1, 8, 8)  # type: ignore[attr-defined]


def test_files_that_are_named_are_there() -> None:
    for path in re.findall(r"(?:configs|docs)/[\w/]+\.(?:yaml|png)", README):
        assert (ROOT / path).is_file(), path
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target
