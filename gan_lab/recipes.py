"""A recipe is an object as plain data: ``{"class_path": …, "init_args": {…}}``, the form that a YAML config has.

Parts remember the arguments that they were built with (`Recorded`), so a game built in a notebook and one built from
YAML leave the same recipe. A recipe holds only what JSON holds. Building one imports nothing outside the packages that
the caller trusts, and makes nothing but parts, optimizers and schedules: a checkpoint can't run a stranger's code.
"""

import functools
import importlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TRUSTED = ("gan_lab",)
OPTIMIZERS = ("torch.optim",)


class RecipeError(ValueError):
    """A recipe that can't be written or built; the message is one line that names the mend."""


class Recorded:
    """Remembers the arguments of the outermost ``__init__``, so that `recipe` can write the object down.

    Derive a network, loss, penalty, prior or game from it (all of gan-lab's own bases do); nothing else is asked for.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" not in cls.__dict__:
            return
        init = cls.__init__

        @functools.wraps(init)
        def record(self: Any, *args: Any, **kwargs: Any) -> None:
            if "_init_args" not in self.__dict__:
                bound = inspect.signature(init).bind(self, *args, **kwargs)
                self.__dict__["_init_args"] = _flat(bound)
            init(self, *args, **kwargs)

        cls.__init__ = record  # type: ignore[method-assign]


def recipe(thing: Any) -> Any:
    """`thing` as plain data; what `build` makes from it has the same recipe.

    Raises:
        RecipeError: it, or an argument it was built with, is neither plain data nor a `Recorded` part.
    """
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    if isinstance(thing, Mapping):
        return {str(key): recipe(value) for key, value in thing.items()}
    if isinstance(thing, (Sequence, set, frozenset)):
        return [recipe(value) for value in thing]
    if isinstance(thing, functools.partial):
        cls = next((part for part in (thing.func, *thing.args) if inspect.isclass(part)), None)
        if cls is not None:
            if cls is thing.func and thing.args:
                raise RecipeError(f"name the arguments of {cls.__name__}: functools.partial({cls.__name__}, lr=…)")
            return _write(cls, thing.keywords)
    if isinstance(thing, Recorded):
        return _write(type(thing), thing.__dict__.get("_init_args", {}))
    name = getattr(thing, "__qualname__", type(thing).__qualname__)
    raise RecipeError(
        f"{name} can't be saved as a recipe: derive its class from gan_lab.recipes.Recorded"
        " (an optimizer: give functools.partial(torch.optim.Adam, lr=…))"
    )


def build(plain: Any, trust: Iterable[str] = ()) -> Any:
    """The object that a recipe describes; optimizers and schedules come as partials that wait for their parameters.

    Args:
        plain: what `recipe` returned, or the same read from JSON.
        trust: further packages whose classes may be imported, by name.

    Raises:
        RecipeError: a class outside the trusted packages, or no part at all.
    """
    trusted = (*TRUSTED, *trust)
    if isinstance(plain, Mapping) and "class_path" in plain:
        cls = _trusted_class(str(plain["class_path"]), trusted)
        init_args = {key: build(value, trust) for key, value in plain.get("init_args", {}).items()}
        return cls(**init_args) if issubclass(cls, Recorded) else functools.partial(cls, **init_args)
    if isinstance(plain, Mapping):
        return {key: build(value, trust) for key, value in plain.items()}
    if isinstance(plain, list):
        return [build(value, trust) for value in plain]
    return plain


def parameters(cls: type) -> dict[str, inspect.Parameter]:
    """The arguments that `cls` takes, those that ``**kwargs`` hands on to its ancestors included."""
    found: dict[str, inspect.Parameter] = {}
    for ancestor in inspect.getmro(cls):
        if "__init__" not in ancestor.__dict__:
            continue
        own = list(inspect.signature(ancestor.__init__).parameters.values())[1:]  # type: ignore[misc]
        for parameter in own:
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                found.setdefault(parameter.name, parameter)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own):
            break
    return found


def _write(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {name: p.default for name, p in parameters(cls).items() if p.default is not p.empty}
    return {
        "class_path": f"{cls.__module__}.{cls.__qualname__}",
        "init_args": recipe({**defaults, **given}),
    }


def _flat(bound: inspect.BoundArguments) -> dict[str, Any]:
    named = dict(list(bound.arguments.items())[1:])
    for name, parameter in bound.signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            named.update(named.pop(name, {}))
    return named


def _trusted_class(path: str, trusted: tuple[str, ...]) -> type:
    if not any(path.startswith(package + ".") for package in (*trusted, *OPTIMIZERS)):
        package = path.split(".")[0]
        raise RecipeError(
            f"the class {path} is from outside the allowed packages ({', '.join(trusted)});"
            f" if you trust it, allow it by name: trust=['{package}'] (--trust {package})"
        )
    module, _, name = path.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise RecipeError(f"the class {path} does not exist in this installation ({error})") from error
    if not inspect.isclass(cls) or not (issubclass(cls, Recorded) or _is_optimizer(cls)):
        raise RecipeError(f"{path} is no part that gan-lab builds (a network, loss, penalty, prior, game, optimizer)")
    return cls


def _is_optimizer(cls: type) -> bool:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    return issubclass(cls, (Optimizer, LRScheduler))
