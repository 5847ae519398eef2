"""What gin keeps silent about: bindings that were configured and never took effect."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import gin

from gancomponents.errors import InputError

_replaced: list[Any] = []
"""Values that a later binding replaced; what only they referred to may go unused."""


def forget() -> None:
    """Start over, for a new configuration."""
    _replaced.clear()


def replaced() -> list[Any]:
    """The values that later bindings replaced, since `forget`; the list itself."""
    return _replaced


@contextmanager
def watched() -> Iterator[None]:
    """Parse in this context to note every value that a later binding replaces.

    A recipe that includes another and swaps its encoder leaves the old encoder's bindings without effect, and
    rightly so. gin keeps no trace of what was replaced, hence the watch.
    """
    bind = gin.config.bind_parameter

    def watching(key: Any, value: Any) -> None:
        parsed = gin.config.ParsedBindingKey.parse(key)
        old = gin.config._CONFIG.get(parsed.config_key, {}).get(parsed.arg_name)
        if old is not None:
            _replaced.append(old)
        bind(key, value)

    gin.config.bind_parameter = watching
    try:
        yield
    finally:
        gin.config.bind_parameter = bind


def check_used() -> None:
    """Compare what was configured with what was used.

    gin itself stays silent about a misspelt scope, a macro that nothing reads, and a binding on something that
    is never built.

    Raises:
        InputError: naming the first binding without effect and the nearest one that would have had it.
    """
    used, excused = _used(), _excused()
    for scope, selector in gin.config._CONFIG:
        for parameter in gin.config._CONFIG[scope, selector]:
            if (scope, selector, parameter) in used or (scope, selector) in excused:
                continue
            name = _name(scope, selector, parameter)
            known = {_name(*key) for key in used} | _effective_names()
            fix = f"{nearest(name, known - {name})} or remove it"
            raise InputError(
                name, expected="a binding that takes effect", got="one that nothing uses", fix=fix
            )


def nearest(word: str, candidates: Iterable[str]) -> str:
    """Advice: the candidate that looks most like ``word``.

    >>> nearest("precison", ["precision", "device"])
    'write precision'
    """
    matches = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.5)
    return f"write {matches[0]}" if matches else "check the spelling"


def _used() -> set[tuple[str, str, str]]:
    """The bindings that reached a call: for each call and parameter the one with the innermost scope."""
    used = set()
    for scope, selector in gin.config._OPERATIVE_CONFIG:
        parts = scope.split("/") if scope else []
        outer_scopes = ["/".join(parts[:n]) for n in range(len(parts), -1, -1)]
        for parameter in gin.config._OPERATIVE_CONFIG[scope, selector]:
            for outer in outer_scopes:
                if parameter in gin.config._CONFIG.get((outer, selector), {}):
                    used.add((outer, selector, parameter))
                    break
    return used


def _excused() -> set[tuple[str, str]]:
    """Scoped configurables that only a replaced value referred to, directly or through others."""
    found: set[tuple[str, str]] = set()
    pending = list(gin.config.iterate_references(_replaced))
    while pending:
        reference = pending.pop()
        keys = {reference.config_key, ("", reference.configurable.selector)} - found
        found |= keys
        for key in keys:
            pending += gin.config.iterate_references(gin.config._CONFIG.get(key, {}))
    return found


def _effective_names() -> set[str]:
    operative = gin.config._OPERATIVE_CONFIG
    return {_name(scope, selector, p) for (scope, selector), values in operative.items() for p in values}


def _name(scope: str, selector: str, parameter: str) -> str:
    if selector == "gin.macro":
        return scope
    imports = gin.config.ImportManager(gin.config._IMPORTS)
    configurable = gin.config._REGISTRY[selector]
    imports.require_configurable(configurable)
    short = imports.minimal_selector(configurable)
    return f"{scope}/{short}.{parameter}" if scope else f"{short}.{parameter}"
