"""Bad input gets one line that names what is wrong and the mend, exit code 2, and nothing half written."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import BLIND, CONFIG, NARROW, Said, command
from PIL import Image

Run = Callable[..., Said]
FIT = ("fit", "--config", CONFIG, *NARROW, BLIND, "--rounds=1")


def refused(folder: Path, *arguments: object) -> str:
    """The line that a refused command says, once it is sure that nothing else is there."""
    before = sorted(folder.rglob("*"))
    said = command(folder, *arguments)
    assert said.code == 2, said
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert sorted(folder.rglob("*")) == before
    start = "gan-lab: error: "
    assert line.startswith(start)
    return line.removeprefix(start)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--model.generatr_every=3", "model: there is no 'generatr_every' here, did you mean 'generator_every'?"),
        ("--model.generator.widht=3", "model.generator: there is no 'widht' here, did you mean 'width'?"),
        ("--round=3", "there is no 'round' here, did you mean 'rounds'?"),
        ("--trainer.max_epoch=3", "there is no 'trainer.max_epoch' here, did you mean 'trainer.max_epochs'?"),
        ("--data.batchsize=3", "data: there is no 'batchsize' here, did you mean 'batch_size'?"),
        ("stray", "stray stands alone: an option is --name=value"),
    ],
)
def test_an_unknown_name_gets_the_nearest_known_one(arguments: str, told: str, tmp_path: Path) -> None:
    assert refused(tmp_path, *FIT, arguments) == told


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("round: 3", "there is no 'round' here, did you mean 'rounds'?"),
        ("model: {init_args: {generatr_every: 3}}", "did you mean 'generator_every'?"),
        ("model: {init_args: {loss: Hnge}}", "model.loss: Hnge does not fit here, did you mean 'Hinge'?"),
        ("data: {init_args: {batch_size: many}}", "data.batch_size: many is no int"),
        ("model: [", "more.yaml is no YAML"),
        ("model: {a: b: c}", "more.yaml is no YAML"),
    ],
)
def test_a_mistake_in_a_file_is_named(yaml: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(yaml)
    assert told in refused(tmp_path, *FIT, "--config", "more.yaml")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--data.batch_size=x", "data.batch_size: x is no int"),
        ("--model.generator.width=1.5", "model.generator.width: 1.5 is no int"),
        ("--model.reuse_fakes=7", "model.reuse_fakes: 7 is no bool"),
        ("--scores.features=foo", "scores.features: foo is none of auto, classifier, inception"),
        ("--model.generator=Gaussian", "model.generator: Gaussian does not fit here (known: "),
        ("--model.loss=MLPGenerator", "model.loss: MLPGenerator does not fit here (known: Hinge"),
        ("--model.loss=Hnge", "model.loss: Hnge does not fit here, did you mean 'Hinge'?"),
        ("--model=Digits", "model: Digits does not fit here (known: "),
        ("--model.loss=os.system", "model.loss: Import path does not correspond to a subclass of AdversarialLoss"),
        ("--data=ImageFolder", "data.root: must be given"),
        ("--trainer.accelerator=gpuu", "gpuu"),
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_read(arguments: str, told: str, tmp_path: Path) -> None:
    assert told in refused(tmp_path, *FIT, arguments)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--images=3", "--rounds and --images both say how long to train"),
        ("--rounds=0", "--rounds is 0: train for at least one"),
        ("--rounds=null", "nothing says how long to train: give --rounds, --images or --trainer.max_epochs"),
        ("--data.batch_size=0", "--data.batch_size is 0: it must be 1 or more"),
        ("--data.batch_size=5000", "set --data.batch_size to 1197 or less"),
        ("--model.ema.half_life=-1", "half_life is -1.0 images; it must be positive"),
        ("--model.generator_every=2 --model.discriminator_every=2", "no player moves every round"),
        ("--model.optimizers.critic=Adam", "optimizers are for generator, discriminator, critic, but the players are"),
        ("--model.generator.z_dim=5", "model.generator.z_dim is 5, but the prior (Gaussian) has 64"),
        ("--model.generator.shape=[3,8,8]", "model.generator.shape is [3, 8, 8], but the data (Digits) has [1, 8, 8]"),
        ("--model.discriminator.shape=[3,8,8]", "model.discriminator.shape is [3, 8, 8], but the data (Digits) has"),
        ("--model.discriminator_penalties+=GradientPenalty", "BatchNorm in the critic mixes the batch: use norm"),
        ("--model.discriminator_penalties+=R1 --model.discriminator_penalties+=R1", "two terms are named R1"),
        ("--model=WGAN --model.discriminator.spectral_norm=true", "set the critic's spectral_norm: false"),
        ("--scores.features=inception --scores.weights=none.pth", "none.pth"),
    ],
)
def test_what_can_not_work_is_refused_before_the_first_round(arguments: str, told: str, tmp_path: Path) -> None:
    assert told in refused(tmp_path, *FIT, *arguments.split())


def test_unknown_commands_and_files(tmp_path: Path) -> None:
    assert refused(tmp_path, "fitt") == "there is no command 'fitt', did you mean 'fit'?; gan-lab --help lists them"
    assert "File does not exist" in (line := refused(tmp_path, "fit", "--config", "nope.yaml"))
    assert "nope.yaml" in line
    assert refused(tmp_path, "fit") == "data and model must be given, as an option or in a --config FILE"


def photograph(path: Path, side: int = 8) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def test_missing_data_is_named(tmp_path: Path) -> None:
    folder = ("--data=ImageFolder", "--data.size=8", "--data.root=pictures")
    assert refused(tmp_path, *FIT, *folder).startswith("the folder 'pictures' does not exist")
    (tmp_path / "pictures").mkdir()
    assert refused(tmp_path, *FIT, *folder).startswith("there is no image in 'pictures'")
    told = refused(tmp_path, *FIT, "--data=MNIST", "--data.root=mnist", "--data.download=false")
    assert told.startswith("MNIST is not in 'mnist'")
    assert "mnist/MNIST/raw" in told


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(6):
        photograph(tmp_path / "pictures" / f"{number}.png")
    whole = (tmp_path / "pictures" / "3.png").read_bytes()
    (tmp_path / "pictures" / "3.png").write_bytes(whole[: len(whole) // 2])
    data = ("--data=ImageFolder", "--data.size=8", "--data.root=pictures", "--data.batch_size=2")
    assert "pictures/3.png can't be read as an image" in refused(tmp_path, *FIT, *data)


@pytest.mark.parametrize("place", ["a file/run", "a file", "/proc/run"])
def test_a_folder_that_can_not_be_written(place: str, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    told = refused(tmp_path, *FIT, f"--trainer.default_root_dir={place}")
    assert told.startswith(f"the run folder {place} can't be written")
    assert "--trainer.default_root_dir" in told


def test_a_folder_that_holds_a_run_is_not_overwritten(trained: tuple[Path, Said]) -> None:
    folder, _ = trained
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert "holds a run already" in refused(folder.parent, *FIT, f"--trainer.default_root_dir={folder}")
    told = refused(folder.parent, *FIT, f"--trainer.default_root_dir={folder}", "--ckpt_path=last", "--data=Nope")
    assert "Nope does not fit" in told
    wider = ("--rounds=30", "--model.generator.width=16", f"--trainer.default_root_dir={folder}", "--ckpt_path=last")
    told = refused(folder.parent, *FIT, *wider)
    assert told.startswith("the checkpoint does not fit this game: size mismatch for generator.")
    assert len(told) < 300
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def spoiled(kind: str, at: Path, good: Path) -> None:
    """Writes a file that is no good checkpoint."""
    if kind == "text":
        at.write_text("hello")
    elif kind == "cut short":
        at.write_bytes(good.read_bytes()[:-2000])
    elif kind == "another zip":
        with zipfile.ZipFile(at, "w") as file:
            file.writestr("a.txt", "hello")
    elif kind == "a file of torch's":
        torch.save({"a": torch.zeros(2)}, at)
    elif kind == "bomb":
        torch.save({"gan_lab": Bomb(at.with_name("mark")), "state_dict": {}}, at)
    elif kind == "old bomb":
        torch.save({"gan_lab": Bomb(at.with_name("mark"))}, at, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("name", ["sample", "fit", "validate"])
@pytest.mark.parametrize("kind", ["text", "cut short", "another zip", "a file of torch's", "bomb", "old bomb", "none"])
def test_what_is_no_checkpoint_is_named_and_never_executed(
    kind: str, name: str, trained: tuple[Path, Said], tmp_path: Path
) -> None:
    path = tmp_path / "some.ckpt"
    spoiled(kind, path, trained[0] / "checkpoints" / "last.ckpt")
    fit = ("--config", CONFIG, *NARROW, BLIND, f"--ckpt_path={path}")
    told = refused(tmp_path, name, *([path] if name == "sample" else fit))
    assert str(path) in told
    assert ("would run code (posix.system)" in told) == (kind == "bomb")
    assert not (tmp_path / "mark").exists()


def test_a_class_from_elsewhere_is_refused_by_name(trained: tuple[Path, Said], tmp_path: Path) -> None:
    checkpoint = torch.load(trained[0] / "checkpoints" / "last.ckpt", weights_only=True)
    (tmp_path / "stranger.py").write_text("import pathlib\npathlib.Path('mark').touch()\n")
    for path, told in (
        ("stranger.Loss", "the class stranger.Loss is from outside the allowed packages (gan_lab)"),
        ("gan_lab.cli.main", "gan_lab.cli.main is no part that gan-lab builds"),
        ("gan_lab.losses.Nope", "the class gan_lab.losses.Nope does not exist"),
        ("os.system", "the class os.system is from outside the allowed packages"),
    ):
        checkpoint["gan_lab"]["recipe"]["init_args"]["loss"] = {"class_path": path, "init_args": {}}
        torch.save(checkpoint, tmp_path / "some.ckpt")
        assert told in refused(tmp_path, "sample", "some.ckpt")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--num x", "argument --num: invalid int value: 'x'"),
        ("--num 0", "--num is 0: ask for at least one image"),
        ("--nun 3", "unrecognized arguments: --nun 3"),
        ("--out grid.xyz", "--out grid.xyz: unknown file extension"),
        ("--out /proc/grid.png", "/proc/grid.png"),
        ("--device foo", "--device foo is not to be had here"),
        ("--device cuda:77", "--device cuda:77 is not to be had here"),
    ],
)
def test_sample_with_bad_arguments(arguments: str, told: str, trained: tuple[Path, Said], tmp_path: Path) -> None:
    assert told in refused(tmp_path, "sample", trained[0], *arguments.split())


def test_sample_of_nothing(tmp_path: Path) -> None:
    assert "the following arguments are required: CHECKPOINT" in refused(tmp_path, "sample")
    assert refused(tmp_path, "sample", "nowhere") == "there is no checkpoint nowhere"
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path, "sample", "empty") == "there is no checkpoint in empty/checkpoints"


@pytest.mark.parametrize("name", ["validate", "test"])
def test_scoring_wants_a_checkpoint(name: str, tmp_path: Path) -> None:
    told = refused(tmp_path, name, "--config", CONFIG)
    assert told == f"{name} scores a checkpoint: give --ckpt_path=best, last or a file"
    assert "there is no runs/dcgan/0/checkpoints/best.ckpt" in refused(
        tmp_path, name, "--config", CONFIG, "--ckpt_path=best"
    )


def test_the_traceback_is_a_flag_away(gan_lab: Run) -> None:
    from gan_lab.cli import UsageError

    with pytest.raises(UsageError, match="did you mean 'rounds'"):
        gan_lab(*FIT, "--round=3", "--traceback")


def test_a_run_that_breaks_down_keeps_what_it_has(gan_lab: Run, tmp_path: Path) -> None:
    """A step that is far too long ends in numbers that are none: one line names turn, term and round."""
    said = gan_lab(*FIT[:-1], "--rounds=300", "--model.optimizers.generator.lr=1e30", "--trainer.val_check_interval=1")
    assert said.code == 2
    assert "Lower the learning rate" in said.err.splitlines()[-1] or "not finite" in said.err.splitlines()[-1]
    assert (tmp_path / "runs" / "dcgan" / "0" / "config.yaml").is_file()
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_shell_sees_one_line_too(tmp_path: Path) -> None:
    """Once in a process of its own, where nothing stands between the command and the shell."""
    script = shutil.which("gan-lab", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run(
        [script, *map(str, FIT), "--round=3"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    told = "gan-lab: error: there is no 'round' here, did you mean 'rounds'?\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)
