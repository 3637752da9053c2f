"""From jsonargparse's trees of possible reasons to the one line that a person needs.

Each nested parser reports through here, the innermost first; its sentence stands in the message of the one around it,
which only puts its own key in front.
"""

import os
import re
from pathlib import Path
from typing import Any

import yaml
from jsonargparse._typehints import get_all_subclass_paths

from gan_lab.cli import UsageError, config_files, nearest

KEY = re.compile(r'Parser key "([^"]+)":? ?')
NOISE = re.compile(
    r"Does not validate against any of the Union subtypes|Subtypes: \[.*?\] (?=Errors)|Errors:"
    r"|- Expected a <class '(?:NoneType|bool|collections.abc.Iterable)'>(?!\. Got)"
    r"|- Expected a path but \S+ either not accessible or invalid"
    r"|Problem with given class_path '[^']*':"
)


def explain(message: str, parser: Any) -> str:
    """The reason in a message of jsonargparse's, with the nearest known name where a name is unknown.

    Args:
        message: what a parser reports.
        parser: that parser, which knows what it would have accepted.
    """
    text = " ".join(message.split())
    keys = KEY.findall(text)
    reason = KEY.split(text)[-1] if keys else text
    reason, _, given = reason.partition(" Given value type:")
    given = given.partition("Given value: ")[2]
    reason = " ".join(NOISE.sub(" ", reason).split()).lstrip("- ")
    said = _said(reason, given, keys[-1] if keys else "", parser)
    return _join([*keys, said])


def refuse_unreadable(argv: list[str]) -> None:
    """Names the file among those given as ``--config`` that is no YAML, which jsonargparse does not.

    Raises:
        UsageError: there is one.
    """
    for path in config_files(argv):
        try:
            if os.path.isfile(path):
                yaml.safe_load(Path(path).read_text())
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise UsageError(f"{path} is no YAML: {' '.join(str(error).split())}") from error


def _said(reason: str, given: str, key: str, parser: Any) -> str:
    if found := re.search(r"(?:Option|option) '([^']+)'", reason):
        return _unknown(found[1], parser)
    if found := re.match(r"unrecognized arguments: --([^= ]+)", reason):
        return _unknown(found[1], parser)
    if found := re.match(r"unrecognized arguments: (.*)", reason):
        return f"{found[1]} stands alone: an option is --name=value"
    if found := re.match(r"the following arguments are required: (.*)", reason):
        missing = [name.rsplit(".", 1)[-1] for name in found[1].split(", ")]
        said = "must be given, as an option or in a --config FILE"
        return f"{missing[0]}: {said}" if len(missing) == 1 else f"{' and '.join(missing)} {said}"
    if found := re.match(r"Expected a dot import path string: (\S+)", reason):
        return _no_such_class(found[1], key, parser)
    if found := re.search(r"Import path (\S+) (?:corresponds|does not)", reason):
        return _no_such_class(found[1], key, parser)
    if found := re.match(r"Expected a typing.Literal\[(.*?)\]. Got value: (.*)", reason):
        return f"{found[2]} is none of {found[1].replace(chr(39), '')}"
    if found := re.match(r"Expected a <class '(\w+)'>(?:\. Got value: (.*))?", reason):
        return f"{found[2] or given!s} is no {found[1]}"
    return reason


def _unknown(name: str, parser: Any) -> str:
    return f"there is no {name!r} here{nearest(name, _options(parser))}"


def _no_such_class(name: str, key: str, parser: Any) -> str:
    action = next((action for action in parser._actions if action.dest == key), None)
    hint = getattr(action, "_typehint", None)
    if hint is None:
        return f"there is no class {name}"
    known = sorted({path.rsplit(".", 1)[-1] for path in get_all_subclass_paths(hint)})
    return f"{name} does not fit here{nearest(name, known)} (known: {', '.join(known)})"


def _options(parser: Any) -> list[str]:
    """What a parser accepts; of one with subcommands, what they accept."""
    parsers = [parser]
    for action in parser._actions:
        parsers += getattr(action, "_name_parser_map", {}).values()
    return [action.dest for each in parsers for action in each._actions]


def _join(parts: list[str]) -> str:
    *keys, said = parts
    if keys and re.match(r"[\w.\[\]]+: ", said):
        return ".".join(keys) + "." + said
    return ".".join(keys) + ": " + said if keys else said
