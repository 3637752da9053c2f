"""What flows from the data to the networks: image shape and classes; and from the prior to the generator: latent size.

A config leaves those out; one that contradicts the data is refused.
"""

import importlib
from collections.abc import Iterator
from typing import Any

from jsonargparse import Namespace

from gan_lab.cli import UsageError


def fill(config: Any) -> None:
    """Write the data's ``shape`` and ``num_classes`` and the prior's ``dim`` where the parts ask for them.

    Raises:
        UsageError: a part has another value already, or asks for what the data has not got.
    """
    data = _built(config.data)
    known = {"shape": list(data.shape), "num_classes": data.num_classes}
    for path, init_args in _parts(config.model, "model"):
        for name, value in known.items():
            if name in init_args:
                _set(init_args, name, value, path, f"the data ({type(data).__name__})")
    prior = config.model.init_args.get("prior")
    for path, init_args in _parts(config.model, "model"):
        if "z_dim" in init_args and prior is not None and "dim" in prior.get("init_args", {}):
            _set(init_args, "z_dim", prior.init_args.dim, path, f"the prior ({prior.class_path.split('.')[-1]})")


def _set(init_args: Any, name: str, value: Any, path: str, source: str) -> None:
    given = init_args[name]
    if value is None:
        if given is None:
            raise UsageError(f"{path} needs {name}, which {source} has not: take labelled data, or condition: null")
        return
    if given is None:
        init_args[name] = value
    elif (list(given) if isinstance(given, (tuple, list)) else given) != value:
        raise UsageError(f"{path}.{name} is {given}, but {source} has {value}: leave it out and it follows")


def _parts(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The arguments of each part in a config, with the path that a user would type."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _parts(item, f"{path}[{index}]")
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _parts(value, f"{path}.{name}")
    elif isinstance(node, Namespace) and "init_args" in node:
        yield path, node.init_args
        for name, value in vars(node.init_args).items():
            yield from _parts(value, f"{path}.{name}")


def _built(config: Any) -> Any:
    module, _, name = config.class_path.rpartition(".")
    init_args = config.get("init_args")
    return getattr(importlib.import_module(module), name)(**(vars(init_args) if init_args else {}))
