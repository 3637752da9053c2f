"""Several processes make the moves that one makes on all their images; each is sent what moved, once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_lab.strategies import chunks

GAMES = ["plain", "micro", "penalised", "lazy", "spectral", "clipped"]
ROUNDS = 20


def play(devices: int, out: Path) -> None:
    """All games on `devices` processes; their weights and facts land in `out`."""
    script = Path(__file__).parent / "processes" / "play.py"
    names = ",".join([*GAMES, "batchnorm"])
    command = [sys.executable, str(script), names, str(devices), str(ROUNDS), str(out)]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    for devices in (1, 2):
        play(devices, folder)
    return folder


def weights(out: Path, name: str, devices: int, rank: int) -> dict[str, torch.Tensor]:
    return torch.load(out / f"{name}-{devices}-{rank}.pt", weights_only=True)


def facts(out: Path, name: str, devices: int, rank: int) -> dict[str, Any]:
    return json.loads((out / f"{name}-{devices}-{rank}.json").read_text())


@pytest.mark.parametrize("name", GAMES)
def test_two_processes_equal_one(out: Path, name: str) -> None:
    one, first, second = (weights(out, name, d, r) for d, r in ((1, 0), (2, 0), (2, 1)))
    for key, expected in one.items():
        torch.testing.assert_close(first[key], expected, rtol=1e-6, atol=1e-6, msg=key)
        assert torch.equal(first[key], second[key]), key
    alone, shared = facts(out, name, 1, 0), facts(out, name, 2, 0)
    assert (alone["images"], alone["moves"]) == (shared["images"], shared["moves"])


def test_batch_norm_differs_and_its_statistics_are_shared_in_checkpoints(out: Path) -> None:
    """The control: BatchNorm looks at a process's own images, so two processes are not one, and the check sees it."""
    one, first, second = (weights(out, "batchnorm", d, r) for d, r in ((1, 0), (2, 0), (2, 1)))
    assert any((first[key] - one[key]).abs().max() > 1e-4 for key in one if one[key].is_floating_point())
    kept = torch.load(out / "batchnorm-2.ckpt", weights_only=True)["state_dict"]
    drifted = [key for key in first if not torch.equal(first[key], second[key])]
    assert drifted
    assert all("running" in key for key in drifted)
    for key in drifted:
        torch.testing.assert_close(kept[key], (first[key] + second[key]) / 2)


@pytest.mark.parametrize("name", GAMES)
def test_each_move_sends_its_players_gradients_once(out: Path, name: str) -> None:
    told = facts(out, name, 2, 0)
    sizes = told["sizes"]
    every = 5 if name in ("penalised", "clipped") else 1
    expected = [sizes["discriminator"] + (sizes["generator"] if k % every == 0 else 0) for k in range(1, ROUNDS + 1)]
    assert told["sent"][:-1] == expected[:-1]
    assert told["sent"][-1] - expected[-1] in (2, 3, 4)  # the last round is logged: a mean for each term


def test_each_process_draws_its_own_latents(out: Path) -> None:
    assert facts(out, "plain", 2, 0)["latents"] != facts(out, "plain", 2, 1)["latents"]


@pytest.mark.slow
def test_four_processes_equal_one(out: Path) -> None:
    play(4, out)
    for name in GAMES:
        one = weights(out, name, 1, 0)
        for rank in range(4):
            for key, expected in one.items():
                torch.testing.assert_close(weights(out, name, 4, rank)[key], expected, rtol=2e-6, atol=2e-6)


def test_large_messages_are_cut() -> None:
    tensors = [torch.zeros(n) for n in (10, 20, 100, 5)]
    assert [len(chunk) for chunk in chunks(tensors, limit=4 * 30)] == [2, 1, 1]
    assert chunks([], limit=1) == []
