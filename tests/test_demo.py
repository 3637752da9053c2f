"""What `make demo` promises, as its user gets it: minutes of training, readable scores, every class of digit."""

import json
from pathlib import Path

import pytest
import torch
from command_line import CONFIG, command

import gan_lab
from gan_lab.data import Digits
from gan_lab.metrics import ClassifierFeatures, to_uint8


@pytest.mark.slow
def test_the_demo_draws_every_digit_close_to_the_floor(tmp_path: Path) -> None:
    said = command(tmp_path, "fit", "--config", CONFIG)
    assert said.code == 0, said.err
    run = tmp_path / "runs" / "dcgan" / "0"
    summary = json.loads((run / "summary.json").read_text())
    fid = summary["scores"]["fid"]
    assert fid["value"] <= 1.5 * fid["floor"]
    assert str(run.relative_to(tmp_path)) in said.out
    images, labels = (torch.cat(parts) for parts in zip(*Digits().reals("train"), strict=True))
    features = ClassifierFeatures.trained_on(images, labels, 10)
    drawn = gan_lab.load(run).sample(1000, seed=1)  # type: ignore[operator]
    shares = features(to_uint8(drawn))[1].argmax(1).bincount(minlength=10) / 1000
    assert shares.min() >= 0.03
