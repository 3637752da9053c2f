"""The command ``gan-lab``: this file finds the subcommand and imports only what that one needs."""

import importlib
import os
import sys
import textwrap

from gan_lab.version import __version__

COMMANDS = {
    "fit": ("gan_lab.cli.train", "train a game; --config FILE says which"),
    "validate": ("gan_lab.cli.train", "score a checkpoint on the validation split"),
    "test": ("gan_lab.cli.train", "score a checkpoint on the test split, with fresh latents"),
    "sample": ("gan_lab.cli.sample", "draw images from a checkpoint into a picture"),
    "evaluate": ("gan_lab.cli.evaluate", "score images or a checkpoint beside real images"),
    "doctor": ("gan_lab.cli.doctor", "look whether this machine is fit to train on"),
    "export": ("gan_lab.cli.export", "write a trained generator as safetensors and JSON"),
}

USAGE = f"""\
usage: gan-lab COMMAND …

Train, compare and reuse Generative Adversarial Networks.

commands:
{chr(10).join(f"  {name:<10}{says}" for name, (_, says) in COMMANDS.items())}

  gan-lab COMMAND --help   what the command takes
  gan-lab --version        the version
  --traceback              with any command: show where an error came from

  gan-lab fit --config configs/digits/dcgan.yaml
"""


class UsageError(ValueError):
    """What the user typed or wrote can't be done; the message is one line that names the mend."""


def main() -> int:
    """Run the command line; the exit code: 0, or 2 with one line about what is wrong."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if arguments[0] == "--version":
        print(f"gan-lab {__version__}")
        return 0
    try:
        _command(arguments[0])()
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        print("gan-lab: stopped; --ckpt_path=last goes on from the last checkpoint", file=sys.stderr)
        return 130
    except Exception as error:
        line = one_line(error)
        if line is None or "--traceback" in arguments or os.environ.get("GAN_LAB_TRACEBACK"):
            raise
        print(f"gan-lab: error: {line}", file=sys.stderr)
        return 2
    return 0


def _command(name: str):  # type: ignore[no-untyped-def]
    if name not in COMMANDS:
        raise UsageError(f"there is no command {name!r}{nearest(name, COMMANDS)}; gan-lab --help lists them")
    return importlib.import_module(COMMANDS[name][0]).main


def nearest(name: str, known: object) -> str:
    """``, did you mean …?`` where something known is near, else nothing."""
    import difflib

    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)  # type: ignore[call-overload]
    return f", did you mean {matches[0]!r}?" if matches else ""


def config_files(argv: list[str]) -> list[str]:
    """What was given as ``--config``, in order."""
    given = []
    for option, after in zip(argv, [*argv[1:], ""], strict=True):
        if option in ("-c", "--config"):
            given.append(after)
        elif option.startswith("--config="):
            given.append(option.partition("=")[2])
    return given


def one_line(error: Exception) -> str | None:
    """What to tell the user of an error in one line; None for what can only be a defect of ours."""
    text = " ".join(str(error).split())
    if isinstance(error, RuntimeError) and text.startswith("Error(s) in loading state_dict"):
        reason = textwrap.shorten(text.split(": ", 1)[-1], 200, placeholder=" …")
        return f"the checkpoint does not fit this game: {reason}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, (ValueError, OSError, TypeError)) or type(error).__name__ in (
        "NonFinite",
        "MisconfigurationException",
    ):
        return text or type(error).__name__
    return None
