"""What the shipped toy configs promise: modes reached, and which loss reaches them evenly."""

import json
from pathlib import Path

import pytest
from command_line import ROOT, command

SEEDS = (0, 1, 2)


def scores(folder: Path, config: str, seed: int, *more: str) -> dict[str, float]:
    """What the last round of a config's run scores."""
    run = folder / f"{config}-{seed}"
    path = ROOT / "configs" / "toy" / f"{config}.yaml"
    said = command(
        folder, "fit", "--config", path, f"--seed_everything={seed}", f"--trainer.default_root_dir={run}", *more
    )
    assert said.code == 0, said.err
    told = json.loads((run / "summary.json").read_text())["last"]
    return {name: score["value"] for name, score in told.items()}


def test_a_short_run_finds_most_of_the_ring_and_an_untrained_one_does_not(tmp_path: Path) -> None:
    short = ("--trainer.val_check_interval=1200", "--samples.every=1200", "--samples.num=50")
    trained = scores(tmp_path, "ring8", 0, "--rounds=1200", *short)
    untrained = scores(tmp_path, "ring8", 1, "--rounds=1", *short)
    assert trained["modes"] >= 6
    assert untrained["modes"] == 0
    assert trained["reverse_kl"] < untrained["reverse_kl"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_the_ring_is_reached_whole(seed: int, tmp_path: Path) -> None:
    told = scores(tmp_path, "ring8", seed)
    assert told["modes"] == 8
    assert told["high_quality"] >= 0.6
    pictures = {path.stem for path in (tmp_path / f"ring8-{seed}" / "samples").glob("*.png")}
    assert pictures == {"0000000", "0002000", "0004000"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_wgan_gp_covers_the_grid_evenly_where_non_saturating_does_not(seed: int, tmp_path: Path) -> None:
    """At equal critic moves; non-saturating is the control."""
    assert scores(tmp_path, "grid25_wgan_gp", seed)["reverse_kl"] <= 0.05
    assert scores(tmp_path, "grid25_nonsaturating", seed)["reverse_kl"] > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_the_long_run_covers_the_grid(seed: int, tmp_path: Path) -> None:
    assert scores(tmp_path, "grid25_long", seed)["modes"] >= 23
