"""``gan-lab fit``, ``validate`` and ``test``: what a run leaves, how long it is, and that it is what was asked for."""

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import BLIND, CONFIG, NARROW, Said, command
from PIL import Image

import gan_lab as lab
from gan_lab.recipes import recipe

Run = Callable[..., Said]
FIT = ("fit", "--config", CONFIG, *NARROW, BLIND)


def done(said: Said) -> Said:
    assert said.code == 0, said.err
    return said


def kept(folder: Path) -> dict[str, Any]:
    """The last checkpoint in a run folder."""
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def arguments(folder: Path) -> dict[str, Any]:
    """What the game in a run folder was made of."""
    return kept(folder)["gan_lab"]["recipe"]["init_args"]


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_leaves_everything_in_one_folder(trained: tuple[Path, Said]) -> None:
    folder, said = trained
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "config.yaml",
        "metrics.csv",
        "summary.json",
        "samples/0000000.png",
        "samples/0000020.png",
        "samples/animation.gif",
        "checkpoints/last.ckpt",
        "checkpoints/last-1.ckpt",
        "checkpoints/best.ckpt",
    }
    assert [path.name for path in folder.parent.parent.parent.iterdir()] == ["runs"]
    with Image.open(folder / "samples" / "animation.gif") as animation:
        assert animation.n_frames == 2
    assert said.out.splitlines() == [
        "results: runs/dcgan/0",
        "samples: runs/dcgan/0/samples/0000020.png",
        "next:    gan-lab sample runs/dcgan/0/checkpoints/best.ckpt --num 64 --out grid.png",
    ]
    assert re.search(r"^round 20/20  discriminator \S+  generator \S+  val/fid ", said.err, re.MULTILINE)
    assert "fid600_digits-train_classifier-v1" in said.err


def test_the_summary_says_what_the_run_came_to(trained: tuple[Path, Said]) -> None:
    folder, _ = trained
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary["scores"]) == {"fid", "kid", "isc"}
    for name, score in summary["scores"].items():
        assert {"value", "floor", "protocol"} <= set(score)
        assert score["protocol"] == f"{name}600_digits-train_classifier-v1"
    assert 0 < summary["scores"]["fid"]["floor"] < summary["scores"]["fid"]["value"]
    assert (summary["rounds"], summary["images"], summary["seed"]) == (20, 20 * 64, 0)
    assert summary["moves"] == {"generator": 20, "discriminator": 20}
    assert summary["best_round"] in (10, 20)
    assert summary["images_per_second"] == pytest.approx(summary["images"] / summary["seconds"], rel=0.01)
    assert summary["peak_memory_mib"] > 50
    assert {"gan-lab", "python", "torch", "pytorch-lightning", "numpy"} <= set(summary["versions"])
    assert {"git_commit", "device", "devices", "command", "last"} <= set(summary)


def test_the_table_of_metrics_has_terms_and_scores(trained: tuple[Path, Said]) -> None:
    folder, _ = trained
    table = rows(folder)
    summary = json.loads((folder / "summary.json").read_text())
    assert [int(row["step"]) for row in table if row["val/fid"]] == [9, 19]
    assert [int(row["step"]) for row in table if row["generator/adversarial"]] == [4, 9, 14, 19]
    for name in ("fid", "kid", "isc"):
        last = [float(row[f"val/{name}"]) for row in table if row[f"val/{name}"]][-1]
        assert last == pytest.approx(summary["last"][name]["value"], rel=1e-5)


def test_the_best_checkpoint_is_that_of_the_best_score(trained: tuple[Path, Said]) -> None:
    folder, _ = trained
    scores = {int(row["step"]) + 1: float(row["val/fid"]) for row in rows(folder) if row["val/fid"]}
    best = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["gan_lab"]["rounds"] == min(scores, key=lambda at: scores[at])
    assert kept(folder)["gan_lab"]["rounds"] == 20


def test_each_run_gets_a_folder_of_its_own(gan_lab: Run, tmp_path: Path) -> None:
    for number in (0, 1):
        assert f"results: runs/dcgan/{number}" in done(gan_lab(*FIT, "--rounds", 1)).out
    done(gan_lab(*FIT, "--rounds", 1, "--trainer.default_root_dir", tmp_path / "here"))
    assert (tmp_path / "here" / "checkpoints" / "last.ckpt").is_file()
    assert {path.name for path in (tmp_path / "runs" / "dcgan").iterdir()} == {"0", "1"}


def test_the_commit_is_that_of_the_folder_it_was_started_in(gan_lab: Run, tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    done(gan_lab(*FIT, "--rounds", 1))
    assert json.loads((tmp_path / "runs/dcgan/0/summary.json").read_text())["git_commit"] == commit


@pytest.mark.parametrize(
    ("asked", "rounds"),
    [
        ("--rounds=3", 3),
        ("--images=128", 2),
        ("--images=129", 3),
        ("--trainer.max_epochs=1", 1197 // 64),
        ("--trainer.max_epochs=2 --data.batch_size=400", 2 * (1197 // 400)),
        ("--trainer.max_steps=4", 4),
    ],
)
def test_a_run_is_exactly_as_long_as_was_asked(asked: str, rounds: int, gan_lab: Run, tmp_path: Path) -> None:
    """Each counts before the 4,000 rounds of the config; the config that is saved says the same."""
    done(gan_lab(*FIT, *asked.split()))
    folder = tmp_path / "runs" / "dcgan" / "0"
    assert kept(folder)["gan_lab"]["rounds"] == rounds
    assert kept(folder)["global_step"] == rounds
    assert (folder / "samples" / f"{rounds:07}.png").is_file()
    assert "rounds: 4000" not in (folder / "config.yaml").read_text()


def test_what_is_typed_counts_before_what_files_say(gan_lab: Run, tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text("trainer: {max_epochs: 1, max_steps: 2}\n")
    done(gan_lab(*FIT, "--config", "long.yaml", "--rounds", 20))
    assert kept(tmp_path / "runs" / "long" / "0")["gan_lab"]["rounds"] == 20


def test_any_field_can_be_overridden(gan_lab: Run, tmp_path: Path) -> None:
    changes = (
        "--model.loss=Hinge",
        "--model.optimizers.generator.lr=1e-4",
        "--model.discriminator_penalties+=R1",
        "--model.discriminator_penalties+=R2",
        "--model.discriminator_penalties.weight=3",
        "--model.ema=null",
        "--data.batch_size=32",
        "--model.clip.generator=1.5",
    )
    done(gan_lab(*FIT, "--rounds", 1, *changes))
    made = arguments(tmp_path / "runs" / "dcgan" / "0")
    assert made["loss"] == {"class_path": "gan_lab.losses.Hinge", "init_args": {}}
    rates = {player: optimizer["init_args"]["lr"] for player, optimizer in made["optimizers"].items()}
    assert rates == {"generator": 1e-4, "discriminator": 2e-4}
    penalties = [(p["class_path"].split(".")[-1], p["init_args"]["weight"]) for p in made["discriminator_penalties"]]
    assert penalties == [("R1", 10.0), ("R2", 3.0)]
    assert made["ema"] is None
    assert made["clip"] == {"generator": 1.5}
    assert kept(tmp_path / "runs" / "dcgan" / "0")["gan_lab"]["images_seen"] == 32


def test_configs_are_merged_left_to_right_and_may_refer_to_each_other(gan_lab: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "model: {init_args: {generator_every: 2, ema: {init_args: {half_life: '${data.init_args.batch_size}'}}}}\n"
        "samples: {num: 9}\n"
    )
    (tmp_path / "b.yaml").write_text("model: {init_args: {generator_every: 3}}\n")
    done(gan_lab(*FIT[:-1], "--config", "a.yaml", "--config", "b.yaml", "--data.batch_size=48", "--rounds=1", BLIND))
    folder = tmp_path / "runs" / "b" / "0"
    made = arguments(folder)
    assert made["generator_every"] == 3
    assert made["ema"]["init_args"]["half_life"] == 48
    assert made["generator"]["init_args"]["width"] == 8
    with Image.open(folder / "samples" / "0000000.png") as picture:
        assert picture.width == picture.height == 3 * (48 + 2) + 2  # nine in three columns


def test_the_printed_config_is_the_config(gan_lab: Run, tmp_path: Path) -> None:
    printed = done(gan_lab(*FIT, "--rounds=1", "--model.loss=Hinge", "--print_config")).out
    assert not (tmp_path / "runs").exists()
    (tmp_path / "printed.yaml").write_text(printed)
    done(gan_lab("fit", "--config", "printed.yaml"))
    done(gan_lab(*FIT, "--rounds=1", "--model.loss=Hinge"))
    a, b = (kept(tmp_path / "runs" / name / "0") for name in ("printed", "dcgan"))
    assert a["gan_lab"]["recipe"] == b["gan_lab"]["recipe"]
    assert same(a["state_dict"], b["state_dict"])


def test_the_saved_config_makes_the_same_run_anew(trained: tuple[Path, Said], gan_lab: Run, tmp_path: Path) -> None:
    folder, _ = trained
    again = done(gan_lab("fit", "--config", folder / "config.yaml"))
    assert "results: runs/dcgan/0" in again.out
    repeated = tmp_path / "runs" / "dcgan" / "0"
    assert same(kept(folder)["state_dict"], kept(repeated)["state_dict"])
    assert rows(folder) == rows(repeated)
    assert (folder / "config.yaml").read_text() == (repeated / "config.yaml").read_text()


def test_training_leaves_the_scores_alone_and_they_it(trained: tuple[Path, Said], gan_lab: Run, tmp_path: Path) -> None:
    """Scoring, drawing and saving take nothing from the streams that the training draws from."""
    folder, _ = trained
    done(gan_lab(*FIT, "--rounds=20", "--samples.every=3", "--checkpoints.every=7"))
    assert same(kept(folder)["state_dict"], kept(tmp_path / "runs" / "dcgan" / "0")["state_dict"])


@pytest.mark.parametrize("kind", ["CSVLogger", "TensorBoardLogger"])
def test_further_loggers_write_beside_the_table(kind: str, gan_lab: Run, tmp_path: Path) -> None:
    done(gan_lab(*FIT, "--rounds=2", f"--trainer.logger={kind}", "--trainer.log_every_n_steps=1"))
    folder = tmp_path / "runs" / "dcgan" / "0"
    assert [int(row["step"]) for row in rows(folder)] == [0, 1]
    theirs = folder / "lightning_logs" / "version_0"
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}
    if kind == "CSVLogger":
        assert rows(theirs) == rows(folder)
        return
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(theirs)).Reload()
    assert [image.step for image in events.Images("samples")] == [0, 2]
    assert "generator/adversarial" in events.Tags()["scalars"]


def test_wandb_works_offline(gan_lab: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    done(gan_lab(*FIT, "--rounds=2", "--trainer.logger=WandbLogger", "--trainer.logger.offline=true"))
    wandb.finish()
    folder = tmp_path / "runs" / "dcgan" / "0"
    pictures = list((folder / "wandb").glob("offline-run-*/files/media/images/samples_*.png"))
    assert len(pictures) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}


def test_a_checkpoint_never_overrides_what_was_asked_for(trained: tuple[Path, Said], tmp_path: Path) -> None:
    """The loss is the command line's, the weights are the checkpoint's; the interrupted run's lines stay."""
    folder, _ = trained
    shutil.copytree(folder.parent.parent.parent, tmp_path, dirs_exist_ok=True)
    copy = tmp_path / "runs" / "dcgan" / "0"
    before = rows(copy)
    more = ("--rounds=22", "--model.loss=Hinge", "--trainer.val_check_interval=10", "--trainer.log_every_n_steps=1")
    said = done(command(tmp_path, "fit", "--config", CONFIG, *NARROW, *more, "--ckpt_path=last"))
    assert "results: runs/dcgan/0" in said.out
    saved = kept(copy)["gan_lab"]
    assert saved["recipe"]["init_args"]["loss"]["class_path"] == "gan_lab.losses.Hinge"
    assert (saved["rounds"], saved["images_seen"]) == (22, 22 * 64)
    assert rows(copy)[: len(before)] == before
    assert [int(row["step"]) for row in rows(copy)] == [4, 9, 9, 14, 19, 19, 20, 21, 21]
    summary = json.loads((copy / "summary.json").read_text())
    assert summary["rounds"] == 22
    assert "ckpt_path: null" in (copy / "config.yaml").read_text()


def test_the_last_checkpoint_of_no_run_yet_is_the_beginning(gan_lab: Run, tmp_path: Path) -> None:
    said = done(gan_lab(*FIT, "--rounds=1", "--ckpt_path=last"))
    assert "no checkpoint in runs/dcgan/0 yet: starting from the beginning" in said.err
    assert kept(tmp_path / "runs" / "dcgan" / "0")["gan_lab"]["rounds"] == 1


@pytest.mark.parametrize(
    ("name", "which"),
    [("validate", "last"), ("validate", "best"), ("validate", "file"), ("validate", "folder"), ("test", "best")],
)
def test_a_checkpoint_is_scored(name: str, which: str, trained: tuple[Path, Said]) -> None:
    folder, _ = trained
    split = {"validate": "validation", "test": "test"}[name]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    given = {"file": str(folder / "checkpoints" / "last.ckpt"), "folder": str(folder)}.get(which, which)
    said = done(command(folder.parents[2], name, "--config", CONFIG, *NARROW, f"--ckpt_path={given}"))
    assert f"{split} split" in said.out
    told = {row[1]: row for line in said.out.splitlines() if len(row := re.split(r"\s*│\s*", line)) > 5}
    assert set(told) == {"fid", "kid", "isc"}
    assert told["fid"][4] == "fid600_digits-train_classifier-v1"
    assert float(told["fid"][3]) < 20 < float(told["fid"][2])
    summary = json.loads((folder / "summary.json").read_text())
    if name == "validate":
        known = summary["last" if which in ("last", "file") else "scores"]["fid"]["value"]
        assert float(told["fid"][2]) == pytest.approx(known, rel=1e-3)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before  # reads only


def test_an_interrupted_run_says_how_to_go_on(
    gan_lab: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restored_signals: None
) -> None:
    from gan_lab.callbacks import Checkpoints

    original = Checkpoints.on_train_batch_end

    def interrupted(self: Any, trainer: Any, game: Any, *args: Any) -> None:
        original(self, trainer, game, *args)
        if game.rounds == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "on_train_batch_end", interrupted)
    said = gan_lab(*FIT, "--rounds=5", "--checkpoints.every=2")
    assert said.code == 130
    assert said.err.splitlines()[-1] == "gan-lab: stopped; --ckpt_path=last goes on from the last checkpoint"
    assert kept(tmp_path / "runs" / "dcgan" / "0")["gan_lab"]["rounds"] == 2


def test_a_terminal_gets_a_progress_bar(gan_lab: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    said = done(gan_lab(*FIT, "--rounds=12", "--trainer.log_every_n_steps=5"))
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.err)
    assert re.search(r"round\s+12/12 .*\n.*generator \d", plain)


@pytest.fixture
def restored_signals() -> Any:
    import signal

    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_game_from_yaml_leaves_the_recipe_of_one_from_python(gan_lab: Run, tmp_path: Path) -> None:
    from functools import partial

    from gan_lab.losses import NonSaturating
    from gan_lab.networks import DCGANDiscriminator, DCGANGenerator
    from gan_lab.priors import Gaussian

    torch.manual_seed(0)
    adam = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999), fused=True)
    game = lab.GAN(
        DCGANGenerator((1, 8, 8), 64, width=8, base_size=2),
        DCGANDiscriminator((1, 8, 8), width=8, base_size=2),
        Gaussian(64),
        NonSaturating(),
        {"generator": adam, "discriminator": adam},
        ema=lab.EMA(half_life=10_000.0),
    )
    done(gan_lab(*FIT, "--rounds=1"))
    assert kept(tmp_path / "runs" / "dcgan" / "0")["gan_lab"]["recipe"] == recipe(game)


def test_a_monitor_that_is_no_score_is_named(gan_lab: Run, tmp_path: Path) -> None:
    said = done(gan_lab(*FIT[:-1], "--rounds=1", "--checkpoints.monitor=val/fdi"))
    assert "--checkpoints.monitor=val/fdi is none of val/" in said.err
    assert not (tmp_path / "runs" / "dcgan" / "0" / "checkpoints" / "best.ckpt").exists()


def test_scores_come_round_by_images_too(gan_lab: Run, tmp_path: Path) -> None:
    done(gan_lab(*FIT[:-1], "--rounds=25", "--data.batch_size=64", "--scores.every_images=600"))
    with open(tmp_path / "runs" / "dcgan" / "0" / "metrics.csv", newline="") as file:
        scored = [int(row["step"]) + 1 for row in csv.DictReader(file) if row["val/fid"]]
    assert scored == [10, 20, 25]  # 600 images are ten batches of 64, and the last round is scored in any case
