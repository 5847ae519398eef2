"""Which checkpoints a run starts from: the rules of ``--resume`` and ``run.Recipe.load_paths``, files found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gancomponents.errors import InputError
from gancomponents.training import checkpoint

#: Whose weights a path holds, the masker's, the painter's or both in one.
KEYS = ("m", "p", "pm")
_UPSTREAM = (".pth", ".pt", ".ckpt")


@dataclass(frozen=True)
class Request:
    """What the command line and the recipe ask for, before any file or network is looked at.

    Attributes:
        origin: who asks, for messages.
        auto: start from the newest checkpoint in the output, afresh where there is none.
        path: one path, for whatever the model is.
        paths: paths by `KEYS`; with neither, the output's newest checkpoint is meant.
    """

    origin: str = "--resume"
    auto: bool = False
    path: str | None = None
    paths: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Where a run starts and where it writes.

    Attributes:
        sources: checkpoint folders or files of weights, by `KEYS`; none: start afresh.
        output: the run folder, or None for the caller's default.
    """

    sources: Mapping[str, Path] = field(default_factory=dict)
    output: Path | None = None

    def continues(self, checkpoints: Path) -> bool:
        """Whether this goes on with the run whose checkpoints lie there."""
        found = [path.parent.absolute() for path in self.sources.values() if path.is_dir()]
        return len(self.sources) == 1 and found == [checkpoints.absolute()]

    def __str__(self) -> str:
        return named(self.sources)


def named(sources: Mapping[str, Path]) -> str:
    """Checkpoints to start from, for messages."""
    return " and ".join(map(str, sources.values()))


def parse(values: Sequence[str] | None, load_paths: object = None) -> Request | None:
    """Read ``--resume`` and the recipe's ``load_paths``; None where nobody asks to resume.

    Args:
        values: what stands after the flag: nothing, ``auto``, a path, or ``m=``, ``p=``, ``pm=`` and a path.
        load_paths: the binding; it counts where nothing stands after the flag.

    Raises:
        InputError: for anything else.

    >>> dict(parse(["m=runs/masker", "p=runs/painter"]).paths)
    {'m': 'runs/masker', 'p': 'runs/painter'}
    """
    bound = bound_paths(load_paths)
    if values is None:
        return None
    if not values:
        return Request("run.Recipe.load_paths", paths=bound) if bound else Request()
    paths: dict[str, str] = {}
    plain: list[str] = []
    for value in values:
        key, equals, path = value.partition("=")
        if not equals or key not in KEYS:
            plain.append(value)
            continue
        if not path or key in paths:
            got = "the same twice" if path else "none"
            raise InputError(
                f"--resume {value}", expected=f"one path after {key}=", got=got, fix="pass one path"
            )
        paths[key] = path
    if plain and (paths or len(plain) > 1):
        fix = "pass auto, one path, or m=PATH p=PATH or pm=PATH"
        raise InputError(f"--resume {' '.join(values)}", expected="one of these", got="a mixture", fix=fix)
    if plain == ["auto"]:
        return Request(auto=True)
    return Request(path=plain[0]) if plain else Request(paths=paths)


def bound_paths(load_paths: object) -> dict[str, str]:
    """The paths of ``load_paths`` that are not None.

    Raises:
        InputError: for anything else than paths or None by `KEYS`.
    """
    fix = "write load_paths = {'m': None, 'p': None, 'pm': 'runs/flood'}"
    if load_paths is None:
        return {}
    whole = isinstance(load_paths, Mapping) and all(
        key in KEYS and (value is None or (isinstance(value, str) and value))
        for key, value in load_paths.items()
    )
    if not whole:
        raise InputError(
            "run.Recipe.load_paths",
            expected="paths or None by 'm', 'p' and 'pm'",
            got=repr(load_paths),
            fix=fix,
        )
    assert isinstance(load_paths, Mapping)
    return {key: value for key, value in load_paths.items() if value is not None}


def plan(request: Request | None, output: Path | None, *, masker: bool = True, painter: bool = True) -> Plan:
    """Find the checkpoints that a request names, by the rules.

    A masker or painter alone takes its own path or ``pm``; both together take ``m`` and ``p``, or ``pm``; with none
    the newest checkpoint in the output counts.

    Args:
        request: what `parse` gave.
        output: the run folder, or None for the caller's default.
        masker: whether the model has one; it matters only to ``m``, ``p`` and ``pm``.
        painter: the same.

    Raises:
        InputError: for a combination that no rule allows, or a path that is no checkpoint.
    """
    if request is None:
        return Plan(output=output)
    if request.paths:
        _check(request, masker=masker, painter=painter)
        found = {key: locate(path, f"{request.origin} {key}") for key, path in request.paths.items()}
        return Plan(found, output)
    if request.path is not None:
        path = locate(request.path, request.origin)
        return Plan({"pm": path}, output or (path.absolute().parent.parent if path.is_dir() else None))
    name = f"{request.origin} auto" if request.auto else request.origin
    if output is None:
        fix = "name the run's folder with --output"
        raise InputError(name, expected="--output DIR beside it", got="none", fix=fix)
    newest = checkpoint.newest(output / "checkpoints")
    if newest is None and not request.auto:
        fix = "pass --resume auto, which starts afresh there, or a path"
        raise InputError(
            f"{name} with --output {output}", expected="a run with a checkpoint", got="none", fix=fix
        )
    return Plan({} if newest is None else {"pm": newest}, output)


def _check(request: Request, *, masker: bool, painter: bool) -> None:
    given = set(request.paths)
    if masker and painter:
        allowed: list[set[str]] = [{"m", "p"}, {"pm"}]
        rule = "m and p, or pm, for a model with masker and painter"
    else:
        own, name = ("m", "masker") if masker else ("p", "painter")
        allowed = [{own}, {"pm"}]
        rule = f"{own} or pm, for a model of a {name} alone"
    if given not in allowed:
        got = " and ".join(key for key in KEYS if key in given)
        fix = "pass one of these, or none for the newest checkpoint in --output"
        raise InputError(request.origin, expected=rule, got=got, fix=fix)


def locate(text: str, origin: str) -> Path:
    """The checkpoint folder, or the bare file of weights, that a path means.

    Args:
        text: a run, its checkpoints, one checkpoint, a file in one, or a .safetensors file.
        origin: who names it, for messages.

    Raises:
        InputError: where there is none.
    """
    path, what = Path(text), f"{origin} {text}"
    if not path.exists():
        fix = "pass a run folder, a checkpoint in it, or auto"
        raise InputError(what, expected="an existing path", got="no such path", fix=fix)
    if path.is_file():
        if (path.parent / "state.json").is_file():
            checkpoint.step_of(path.parent)
            return path.parent
        if path.suffix in _UPSTREAM:
            raise _foreign(what, "a pickled file")
        if path.suffix != ".safetensors":
            fix = "pass a run folder, a checkpoint in it, or a .safetensors file"
            raise InputError(
                what, expected="a checkpoint", got=f"a {path.suffix or 'nameless'} file", fix=fix
            )
        return path
    for folder in (path / "checkpoints", path):
        if found := checkpoint.newest(folder):
            return found
        if any(folder.glob("*.pth")) and not (path / "state.json").exists():
            raise _foreign(what, "pickled files in it")
    for folder in (path / "checkpoints", path):
        for damaged in checkpoint.later_than(folder, -1):
            checkpoint.step_of(damaged)  # and says so
    checkpoint.step_of(path)
    return path


def _foreign(what: str, got: str) -> InputError:
    fix = "convert it first, with python -m recipes.convert"
    return InputError(what, expected="a checkpoint of safetensors and JSON", got=got, fix=fix)
