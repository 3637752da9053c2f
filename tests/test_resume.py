"""A run that is killed and resumed is the run that was never killed, bit for bit."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import CONFIG, command

ROUNDS = 90
FIT = (
    "fit",
    "--config",
    CONFIG,
    f"--rounds={ROUNDS}",
    "--trainer.val_check_interval=40",
    "--trainer.log_every_n_steps=5",
    "--checkpoints.every=9",
    "--samples.every=20",
    "--samples.num=9",
    "--data.flip=true",  # draws from the global stream
    "--data.batch_size=100",  # 11 rounds an epoch
    "--model.generator.width=8",
    "--model.discriminator.width=8",
    "--model.discriminator.norm=layer",
    "--model.loss=Wasserstein",
    "--model.discriminator_penalties+=GradientPenalty",
    "--model.discriminator_penalties+=R1",
    "--model.discriminator_penalties.every=4",
    "--model.generator_every=5",
    "--model.micro_batches=1",
    "--model.schedulers.generator=StepLR",
    "--model.schedulers.generator.step_size=30",
)


def fit(folder: Path, *more: str) -> Path:
    said = command(folder, *FIT, *more)
    assert said.code == 0, said.err
    return folder / "runs" / "dcgan" / "0"


def killed(folder: Path, at: int, by: signal.Signals = signal.SIGKILL) -> Path:
    """The run of a process that was killed some way into a round, about `at` rounds into the run."""
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    arguments = [sys.executable, "-m", "gan_lab", *map(str, FIT)]
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(arguments, cwd=folder, env=environment, stdout=log, stderr=log)
    run, deadline = folder / "runs" / "dcgan" / "0", time.monotonic() + 90
    while rounds_logged(run) < at or not (run / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(random.Random(at).random() * 0.05)
    process.send_signal(by)
    assert process.wait(60) == (-by if by == signal.SIGKILL else 128 + by)
    return run


def rounds_logged(run: Path) -> int:
    try:
        return max((int(row["step"]) for row in table(run)), default=0)
    except (OSError, ValueError, TypeError, KeyError):
        return 0  # a line is being written


def table(run: Path) -> list[dict[str, str]]:
    with open(run / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def last(run: Path) -> dict[str, Any]:
    """The last checkpoint, but for Python's own stream, from which beartype draws as it checks types in tests."""
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    for state in checkpoint["gan_lab"]["random"]["by_rank"]:
        del state["python"]
    return checkpoint


def assert_same(a: Any, b: Any, where: str = "") -> None:
    """Equal in every bit, however deep."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}/{index}")
    else:
        assert a == b, where


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that is never interrupted."""
    return fit(tmp_path_factory.mktemp("straight"))


@pytest.mark.parametrize("at", [random.Random(0).randrange(12, 35), random.Random(1).randrange(45, 75)])
def test_killed_and_resumed_is_never_killed(at: int, straight: Path, tmp_path: Path) -> None:
    run = killed(tmp_path, at)
    saved = last(run)["gan_lab"]["rounds"]
    assert 0 < saved < ROUNDS
    (run / "checkpoints" / "last.tmp").write_bytes((run / "checkpoints" / "last.ckpt").read_bytes()[:1000])
    goes_on_as_if_never_stopped(tmp_path, run, straight)


def test_told_to_stop_it_loses_no_round(straight: Path, tmp_path: Path) -> None:
    """SIGTERM, as schedulers send it: the round is finished, the state saved, the exit code 143."""
    run = killed(tmp_path, 31, by=signal.SIGTERM)
    assert "--ckpt_path=last goes on from here" in (tmp_path / "log").read_text()
    assert last(run)["gan_lab"]["rounds"] >= max(int(row["step"]) for row in table(run)) + 1
    goes_on_as_if_never_stopped(tmp_path, run, straight)


def goes_on_as_if_never_stopped(folder: Path, run: Path, straight: Path) -> None:
    assert fit(folder, "--ckpt_path=last") == run
    a, b = last(straight), last(run)
    assert b["gan_lab"]["rounds"] == ROUNDS
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "gan_lab", "epoch", "global_step"):
        assert_same(a[part], b[part], part)
    histories = [next(v for k, v in ckpt["callbacks"].items() if k.startswith("Scores")) for ckpt in (a, b)]
    assert_same(*histories)
    assert table(run) == table(straight)
    pictures = [{p.name: p.read_bytes() for p in (of / "samples").iterdir()} for of in (straight, run)]
    assert pictures[0] == pictures[1]
    assert not list(run.rglob("*.tmp"))


@pytest.mark.parametrize("harm", ["cut short", "a byte turned"])
def test_a_spoilt_checkpoint_is_passed_over(harm: str, straight: Path, tmp_path: Path) -> None:
    shutil.copytree(straight.parents[2], tmp_path, dirs_exist_ok=True)
    run = tmp_path / "runs" / "dcgan" / "0"
    path = run / "checkpoints" / "last.ckpt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content if harm == "a byte turned" else content[: len(content) // 2])
    said = command(tmp_path, *FIT, "--ckpt_path=last")
    assert said.code == 0, said.err
    assert f"{path.relative_to(tmp_path)} is broken: passing it over" in said.err
    assert_same(last(straight)["state_dict"], last(run)["state_dict"], "state_dict")
    for each in (run / "checkpoints").glob("last*.ckpt"):
        each.write_bytes(b"")
    assert command(tmp_path, *FIT, "--ckpt_path=last").code == 2


def test_what_is_compared_would_show_a_difference(straight: Path, tmp_path: Path) -> None:
    """The control: one round more, and the checkpoints differ where they should."""
    run = fit(tmp_path, f"--rounds={ROUNDS}", "--seed_everything=1")
    with pytest.raises(AssertionError, match="state_dict/"):
        assert_same(last(straight)["state_dict"], last(run)["state_dict"], "state_dict")
    assert table(run) != table(straight)


def test_a_longer_run_is_a_run_gone_on_with(straight: Path, tmp_path: Path) -> None:
    """N rounds = k rounds, then N − k more; k is neither a validation nor an epoch's end."""
    fit(tmp_path, "--rounds=37")
    run = fit(tmp_path, "--ckpt_path=last")
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "gan_lab"):
        assert_same(last(straight)[part], last(run)[part], part)
