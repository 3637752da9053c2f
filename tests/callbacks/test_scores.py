"""The callback Scores: whatever is asked for, at the cadence of validation, exactly as many images, once each."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import CONFIG, NARROW, Said
from small_weights import clip_state

Command = Callable[..., Said]
CADENCE = ("--rounds", 4, "--trainer.val_check_interval", 2, "--trainer.log_every_n_steps", 2)


def scores(folder: Path) -> dict:
    return json.loads((folder / "runs" / "dcgan" / "0" / "summary.json").read_text())["last"]


def test_scores_that_are_asked_for(gan_lab: Command, tmp_path: Path) -> None:
    said = gan_lab("fit", "--config", CONFIG, *CADENCE, *NARROW, "--scores.scores=[fid,prdc,memorisation]")
    assert said.code == 0, said.err
    told = scores(tmp_path)
    names = ["fid", "precision", "recall", "density", "coverage", "memorisation"]
    assert list(told) == names
    assert told["coverage"]["protocol"] == "coverage600_digits-train_classifier-v1"
    assert told["coverage"]["floor"] > 0.8
    assert told["memorisation"]["floor"] == pytest.approx(0.5, abs=0.01)
    with open(tmp_path / "runs" / "dcgan" / "0" / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert sum(bool(row["val/precision"]) for row in rows) == 2
    assert not any("val/isc" in row for row in rows)


def test_other_extractors(gan_lab: Command, tmp_path: Path) -> None:
    """CLIP knows no classes: no Inception score; the resizing is in the protocol."""
    torch.save(clip_state(), tmp_path / "clip.pth")
    options = ("--scores.features=clip", f"--scores.weights={tmp_path / 'clip.pth'}", "--scores.resize=clean")
    said = gan_lab("fit", "--config", CONFIG, *CADENCE, *NARROW, *options)
    assert said.code == 0, said.err
    told = scores(tmp_path)
    assert list(told) == ["fid", "kid"]
    assert told["fid"]["protocol"].startswith("fid600_digits-train_clip-clean-")


@pytest.mark.parametrize("option", ["--scores.scores=[fidd]", "--scores.resize=lanczos", "--scores.weights=absent.pth"])
def test_what_cannot_be_scored_is_refused_before_it_is_trained(gan_lab: Command, tmp_path: Path, option: str) -> None:
    said = gan_lab("fit", "--config", CONFIG, *CADENCE, *NARROW, "--scores.features=inception", option)
    assert said.code == 2
    assert len(said.err.strip().splitlines()) == 1
    assert not (tmp_path / "runs" / "dcgan" / "0" / "checkpoints").exists()


@pytest.mark.slow
def test_two_processes_score_each_image_once(tmp_path: Path) -> None:
    """601 held-out images: an odd count, which two processes share."""
    script = Path(sys.executable).parent / "gan-lab"
    options = (*CADENCE, *NARROW, "--trainer.devices=2", "--trainer.accelerator=cpu", "--data.validation=601")
    command = [script, "fit", "--config", CONFIG, *options, "--scores.scores=[fid,kid,isc,prdc]"]
    said = subprocess.run(
        [str(part) for part in command], cwd=tmp_path, capture_output=True, text=True, env=os.environ, timeout=500
    )
    assert said.returncode == 0, said.stderr[-2000:]
    told = scores(tmp_path)
    assert told["recall"]["protocol"] == "recall601_digits-train_classifier-v1"
    assert len(told) == 7
