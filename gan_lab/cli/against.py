"""Earlier results beside new ones: numbers of different protocols can't be compared."""

import json
from pathlib import Path
from typing import Any

from gan_lab.cli import UsageError

Told = dict[str, dict[str, Any]]
PARTS = ("the count of fakes or how they are drawn", "the reals", "the extractor or its resizing")


def earlier(path: str) -> Told:
    """What ``gan-lab evaluate --json`` printed, or a run's ``summary.json``.

    Raises:
        UsageError: no such file, or no scores in it.
    """
    try:
        text = Path(path).read_text().strip()
        try:
            found = json.loads(text)
        except json.JSONDecodeError:
            found = json.loads(text.splitlines()[-1] if text else "")
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--against {path} is no JSON: give what gan-lab evaluate --json printed") from error
    found = found.get("scores", found) if isinstance(found, dict) else {}
    scores = {name: told for name, told in found.items() if isinstance(told, dict) and {"value", "protocol"} <= {*told}}
    if not scores:
        raise UsageError(f"--against {path} holds no scores: give what gan-lab evaluate --json printed")
    return scores


def refuse_unlike(path: str, before: Told, protocols: dict[str, str], sha256: str) -> None:
    """Refuses earlier results that were taken in another way.

    Args:
        path: where they come from.
        before: the earlier scores.
        protocols: how the new ones will be taken.
        sha256: of the new reals and the extractor's weights; the earlier ones may know theirs.

    Raises:
        UsageError: a score that both have differs in protocol, reals or weights; or they have none in common.
    """
    common = [name for name in protocols if name in before]
    if not common:
        raise UsageError(f"--against {path} holds {', '.join(before)}, and none of {', '.join(protocols)}")
    for name in common:
        theirs, ours = before[name]["protocol"], protocols[name]
        if theirs != ours:
            raise UsageError(f"{theirs} ({path}) and {ours} can't be compared: {_why(theirs, ours)}")
        if before[name].get("sha256", sha256) != sha256:
            raise UsageError(
                f"{ours} of {path} was taken of other reals, or with other weights of the extractor,"
                " under the same names: they can't be compared"
            )


def _why(theirs: str, ours: str) -> str:
    pairs = zip(PARTS, theirs.split("_"), ours.split("_"), strict=False)
    differ = [part for part, one, other in pairs if one != other]
    return f"they differ in {' and '.join(differ) or 'their form'}"
