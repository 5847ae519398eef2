"""gin, made strict: one place that parses recipes, and complains about whatever would not take effect."""

import copy
import importlib.resources
import importlib.util
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gin

from gancomponents.errors import InputError
from recipes.strict import check_used, forget, nearest, replaced, watched

_DYNAMIC = "from __gin__ import dynamic_registration"
_VERSIONED = ("gancomponents", "torch", "torchvision", "gin-config", "numpy", "opencv-python")


def parse(file: str, bindings: Iterable[str] = ()) -> None:
    """Parse a recipe, then the command line's bindings on top of it.

    Args:
        file: a .gin file: a path, or a name inside an importable package such as ``recipes/climategan.gin``.
        bindings: texts such as ``"run.Recipe.steps = 10"``, in the names that the file itself imports.

    Raises:
        InputError: for a missing or malformed file, a malformed binding, an unknown name.
    """
    forget()
    gin.clear_config()
    if not file.endswith(".gin"):
        raise InputError("--gin", expected="a .gin file", got=repr(file), fix="pass recipes/climategan.gin")
    if not _is_readable(file):
        fix = "check the path; the recipes that come along are named recipes/NAME.gin"
        raise InputError(f"--gin {file}", expected="a recipe", got="no such file", fix=fix)
    try:
        with watched():
            gin.parse_config_file(file)
    except (
        Exception
    ) as error:  # gin raises whatever went wrong inside it: a file is data here, so all are its faults
        raise _parse_error(f"--gin {file}", error) from None
    # A text of its own has a name space of its own: give each binding the imports of the files parsed before.
    imports = sorted({statement.format() for statement in gin.config._IMPORTS} - {_DYNAMIC})
    for binding in bindings:
        _bind(binding, imports)


@contextmanager
def borrowed() -> Iterator[None]:
    """Parse and build in this context, and give gin back as it was: its state is the process's, not ours.

    Bindings, imports, singletons, the operative configuration and the lock are put back; what was registered
    stays registered, which does no harm.
    """
    state = gin.config
    kept = {
        name: {key: copy.copy(value) for key, value in getattr(state, name).items()}
        for name in ("_CONFIG", "_OPERATIVE_CONFIG", "_SINGLETONS")
    }
    imports, locked, noted = set(state._IMPORTS), state.config_is_locked(), list(replaced())
    try:
        yield
    finally:
        for name, entries in kept.items():
            getattr(state, name).clear()
            getattr(state, name).update(entries)
        state._IMPORTS.clear()
        state._IMPORTS.update(imports)
        state._set_config_is_locked(locked)
        replaced()[:] = noted


def override(configurable: str, parameter: str, value: object) -> None:
    """Replace a value wherever it is bound, in whichever scope; where it is not, nothing happens.

    Args:
        configurable: its own name, without modules.
        parameter: of that configurable.
        value: the new one.
    """
    for (_, selector), bindings in gin.config._CONFIG.items():
        if selector.rsplit(".", 1)[-1] == configurable and parameter in bindings:
            bindings[parameter] = value


def _bind(binding: str, imports: Sequence[str]) -> None:
    if "=" not in binding:
        fix = 'write it as -p "run.Recipe.steps = 10"'
        raise InputError(f"-p {binding!r}", expected="name = value", got="no equals sign", fix=fix)
    try:
        with watched():
            gin.parse_config([_DYNAMIC, *imports, binding])
    except Exception as error:
        raise _parse_error(f"-p {binding!r}", error) from None


def _is_readable(file: str) -> bool:
    """Whether gin would find it, as a path or inside a package; asked quietly."""
    if Path(file).is_file():
        return True
    package, *rest = Path(file).parts
    try:
        found = importlib.resources.files(package).joinpath(*rest)
    except (ImportError, TypeError, ValueError):
        return False
    return found.is_file()


def _parse_error(where: str, error: Exception) -> InputError:
    message = re.sub(r" In bindings string line \d+ .*", "", " ".join(str(error).split()))
    fix = "correct the line"
    unknown = re.search(r"resolve selector ([\w.]+); <module '([\w.]+)'.*has no attribute (\w+)", message)
    parameter = re.search(r"doesn't have a parameter named '(\w+)'", message)
    symbol = re.search(r"'(\w+)' was not provided by an import statement", message)
    if unknown:
        module = importlib.import_module(unknown[2])
        fix = nearest(unknown[3], [name for name in dir(module) if not name.startswith("_")])
        message = f"{unknown[1]!r} (no {unknown[3]!r} in {unknown[2]})"
    elif parameter:
        fix = nearest(parameter[1], _parameters_named_in(message))
    elif symbol:
        known = [statement.bound_name() for statement in gin.config._IMPORTS]
        fix = nearest(symbol[1], known) + ", or import it in the recipe"
    return InputError(where, expected="valid gin", got=message, fix=fix)


def _parameters_named_in(message: str) -> list[str]:
    found = re.search(r"Configurable '([\w.]+)'", message)
    if not found:
        return []
    name = found[1].rsplit(".", 1)[-1]
    for selector, configurable in gin.config._REGISTRY.items():
        if selector.rsplit(".", 1)[-1] == name:
            return parameters_of(configurable.wrapped)
    return []


def parameters_of(constructor: Callable[..., Any]) -> list[str]:
    """The names that may be bound on a class or function."""
    import inspect

    return [
        name for name in inspect.signature(constructor).parameters if name not in ("self", "args", "kwargs")
    ]


def build(configurable: Callable[..., Any], *, strict: bool = True) -> Any:
    """Call a class with its gin bindings, and fail on every binding that did not take effect.

    Args:
        configurable: the class.
        strict: False for a run's config.gin, which was checked when the run began, and which keeps the bindings
            of what was replaced then.

    Raises:
        InputError: for a value that a constructor refuses, a required one left open, or an unused binding.
    """
    _check_complete()
    if not any(selector.rsplit(".", 1)[-1] == configurable.__name__ for _, selector in gin.config._CONFIG):
        got, fix = f"none for {configurable.__name__}", "write one as recipes/climategan.gin does"
        raise InputError("the recipe", expected="bindings of what to train", got=got, fix=fix)
    try:
        built = gin.get_configurable(configurable)()
    except InputError as error:
        # gin hands on a copy that has lost its arguments and gained a trail: say it afresh.
        raise InputError(error.what, expected=error.expected, got=error.got, fix=error.fix) from None
    except (ValueError, TypeError, RuntimeError, KeyError, AttributeError) as error:
        raise InputError(f"the recipe: {_without_trail(str(error))}", fix="correct that binding") from error
    if strict:
        check_used()
    return built


def _check_complete() -> None:
    """Every macro that is read must be set, and everything marked as required bound."""
    unset = [
        scope
        for (scope, selector), bound in gin.config._CONFIG.items()
        if selector == "gin.macro" and bound.get("value") is gin.REQUIRED
    ]
    if unset:
        got = f"none for {', '.join(unset)}"
        fix = f"write {unset[0]} = ... in a recipe that includes it, or with -p"
        raise InputError("the recipe", expected="a value for every macro that it asks for", got=got, fix=fix)
    try:
        gin.config.validate_macros_hook(gin.config._CONFIG)
        gin.config.find_missing_overrides_hook(gin.config._CONFIG)
    except ValueError as error:
        message = " ".join(str(error).split())
        raise InputError("the recipe", got=message, fix="set it in the recipe or with -p") from None


def _without_trail(message: str) -> str:
    """gin appends the chain of configurables to every message; keep the innermost."""
    text, *trail = re.split(r"\n\s*In call to configurable '", message)
    innermost = trail[0].split("'")[0] if trail else ""
    text = " ".join(text.split())
    return f"{text} (in {innermost})" if innermost else text


def bound(selector: str, default: Any) -> Any:
    """The value bound to ``selector`` before anything is built, macros followed, or the default."""
    _check_complete()
    try:
        return copy.deepcopy(gin.query_parameter(selector))  # copying is how gin evaluates a macro
    except ValueError:
        return default


def parsed_text() -> str:
    """The configuration as parsed, headed by the versions it ran with. It can be parsed again."""
    lines = [f"# python {platform.python_version()}"]
    for package in _VERSIONED:
        try:
            lines.append(f"# {package} {version(package)}")
        except ModuleNotFoundError:  # PackageNotFoundError: run from a source tree
            lines.append(f"# {package} (not installed)")
    return "\n".join(lines) + "\n\n" + gin.config_str()


def operative_text() -> str:
    """Every parameter that took effect, defaults included."""
    return gin.operative_config_str()


def name_of(file: str) -> str:
    """A recipe's short name: ``recipes/climategan.gin`` is ``climategan``."""
    return Path(file).stem
