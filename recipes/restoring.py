"""What a run starts with: the whole state of one checkpoint, or parts of several put together by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from gancomponents._tensors import read_safetensors
from gancomponents.errors import InputError, printable
from gancomponents.training import AdversarialLoop, Player, checkpoint
from recipes.damage import blamed_on
from recipes.resuming import named

#: For each player, its networks' prefix in its objective, and the set of weights that a checkpoint has of them.
_NETWORKS = {"generator": ("model.", "model"), "critic": ("critics.", "critics")}
_MASKERS = ("masker", "segmentation", "mask")  # among the model's parts, the losses, the critics


@dataclass(frozen=True)
class Start:
    """What to start from, known to fit.

    Attributes:
        step: finished steps.
        loop: for `AdversarialLoop.load_state_dict`.
        before: scores of the untrained networks; None where they are yet to be found.
        notes: what the user should know, a line each.
        partial: whether a checkpoint has networks that these players do not take.
        afresh: whether there are weights alone, so that training starts at its beginning.
    """

    step: int
    loop: dict[str, Any]
    before: dict[str, float] | None = None
    notes: list[str] = field(default_factory=list)
    partial: bool = False
    afresh: bool = False


def read(sources: Mapping[str, Path], loop: AdversarialLoop) -> Start:
    """Read what `recipes.resuming.plan` has found, for the players of this loop. Nothing is loaded into them yet.

    One checkpoint of the same networks and optimisers is taken whole, look-ahead weights included, and training
    goes on exactly. Anything else is put together by name, of settled weights, at an even step so that the next
    half of a pair is an extrapolation; step and everything that is of no part come from the painter's.
    Weights without a training state (converted ones, a bare file) start at step 0.

    Raises:
        InputError: where a checkpoint is damaged, or lacks something that the networks need.
    """
    with blamed_on(named(sources)):
        return _read({key: _Source(path) for key, path in sources.items()}, loop)


def _read(found: Mapping[str, "_Source"], loop: AdversarialLoop) -> Start:
    (only,) = found.values() if len(found) == 1 else (None,)
    if only is not None and only.loop is not None and _is_same(only.loop["players"], loop):
        notes = []
        for name, player in loop.players.items():
            had, has = only.loop["players"][name]["average"] is not None, player.average is not None
            if had != has:
                what = "has no averages of weights; they start" if has else "its averages of weights end"
                notes.append(f"{only.path}: {what} here")
        return Start(only.step, only.loop, only.state.get("before"), notes)
    return _Assembly(found, loop).start()


def part_of(name: str) -> str:
    """Whose a parameter or an entry of an objective is, "m" or "p"; what is of no part counts as the painter's.

    >>> part_of("model.masker.encoder.conv.weight"), part_of("critics.painter.0.weight")
    ('m', 'p')
    """
    return "m" if _first(name.removeprefix("model.").removeprefix("critics.")) in _MASKERS else "p"


def _first(name: str) -> str:
    return name.split(".", 1)[0]


def _is_same(saved: Mapping[str, Any], loop: AdversarialLoop) -> bool:
    """Whether saved players have the entries, shapes, optimisers and groups of these."""
    if saved.keys() != loop.players.keys():
        return False
    for name, player in loop.players.items():
        own, theirs = player.state_dict(), saved[name]
        if _shapes(own["objective"]) != _shapes(theirs["objective"]):
            return False
        if _layout(own["optimiser"]) != _layout(theirs["optimiser"]):
            return False
    return True


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in tensors.items()}


def _layout(optimiser: Mapping[str, Any]) -> tuple[str, list[list[str]]]:
    return optimiser["kind"], [list(group["params"]) for group in optimiser["param_groups"]]


class _Source:
    """One checkpoint, or one bare file of weights."""

    def __init__(self, path: Path):
        self.path = path
        self.state: dict[str, Any] = checkpoint.load(path) if path.is_dir() else {}
        self.step = checkpoint.step_of(path) if path.is_dir() else 0
        self.loop: dict[str, Any] | None = self.state.get("loop")

    @cached_property
    def sets(self) -> dict[str, dict[str, Tensor]]:
        """Settled weights by the name of their set."""
        if self.path.is_dir():
            return {
                name: checkpoint.load_weights(self.path, name) for name in checkpoint.weights_in(self.path)
            }
        try:
            return {"model": read_safetensors(self.path)}
        except (ValueError, OSError) as error:
            fix = "pass another file, or a run folder"
            raise InputError(
                str(self.path), expected="a whole .safetensors file", got=str(error), fix=fix
            ) from None

    def player(self, name: str) -> dict[str, Any]:
        """The state of a player; empty where there are only weights."""
        return {} if self.loop is None else self.loop["players"].get(name, {})


class _Assembly:
    """Players' states put together from sources by ``m``, ``p`` or ``pm``."""

    def __init__(self, sources: Mapping[str, _Source], loop: AdversarialLoop):
        self.sources, self.loop = sources, loop
        self.faults: list[tuple[_Source, str, Tensor, Tensor | None]] = []
        self.afresh: list[str] = []

    def start(self) -> Start:
        players = {name: self._player(name, player) for name, player in self.loop.players.items()}
        if self.faults:
            source, key, own, saved = self.faults[0]
            part = part_of(key)
            if saved is None and not any(part_of(f"model.{k}") == part for k in source.sets.get("model", {})):
                what = {"m": "masker", "p": "painter"}[part]
                fix = "pass the path of a run that has one; were m and p swapped?"
                raise InputError(str(source.path), expected=f"a {what} in it", got="none", fix=fix)
            raise InputError(
                str(source.path),
                expected=f"a checkpoint of this recipe's networks, {key} {tuple(own.shape)}",
                got=f"{'(absent)' if saved is None else tuple(saved.shape)}, and {len(self.faults)} entries that "
                "differ in all",
                fix="resume with the recipe and bindings that it was trained with, see config.gin in its run",
            )
        last = self._of("p")
        step = last.step + last.step % 2 if last.loop is not None else 0
        unused = list(self._unused())
        how = f"to go on at step {step}" if last.loop is not None else "weights alone, to start at step 0"
        notes = [f"taken by name from {self}, {how}", *unused]
        if self.afresh:
            notes.append(
                f"{self}: not in there, so these start afresh: {', '.join(dict.fromkeys(self.afresh))}"
            )
        rng = self.loop.runtime.rng_state()
        return Start(
            step,
            {"players": players, "rng": rng},
            notes=notes,
            partial=bool(unused),
            afresh=last.loop is None,
        )

    def __str__(self) -> str:
        return " and ".join(str(source.path) for source in self.sources.values())

    def _of(self, part: str) -> _Source:
        """Where a part comes from; with a single source everything does."""
        return self.sources.get(part) or next(iter(self.sources.values()))

    def _player(self, name: str, player: Player) -> dict[str, Any]:
        own = player.state_dict()
        prefix, kind = _NETWORKS[name]
        objective = {}
        for key, value in own["objective"].items():
            source = self._of(part_of(key))
            if key.startswith(prefix):
                saved = self._network(source, kind, key.removeprefix(prefix))
            else:
                saved = source.player(name).get("objective", {}).get(key)
                saved = value if saved is None else saved  # a loss's own constants
            if saved is None and name == "critic" and self._has_no(source, kind, key.removeprefix(prefix)):
                self.afresh.append(f"the {_first(key.removeprefix(prefix))} critic")
                saved = value
            if saved is None or saved.shape != value.shape:
                self.faults.append((source, key, value, saved))
            else:
                objective[key] = saved
        optimiser = {**own["optimiser"], "state": self._moments(name, own["optimiser"])}
        return {
            "objective": objective,
            "optimiser": optimiser,
            "average": self._average(name, own["average"]),
        }

    def _network(self, source: _Source, kind: str, key: str) -> Tensor | None:
        return source.sets.get(kind, {}).get(key)

    def _has_no(self, source: _Source, kind: str, key: str) -> bool:
        return not any(_first(other) == _first(key) for other in source.sets.get(kind, {}))

    def _moments(self, name: str, own: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        moments = {}
        for key in (key for group in own["param_groups"] for key in group["params"]):
            saved = self._of(part_of(key)).player(name).get("optimiser")
            if saved is None or saved["kind"] != own["kind"]:
                self.afresh.append(f"the {name}'s optimiser")
            elif key in saved["state"]:
                # No anchors: the weights are the settled ones, whose next half is an extrapolation.
                moments[key] = {k: v for k, v in saved["state"][key].items() if k != "anchor"}
        return moments

    def _average(self, name: str, own: Mapping[str, Any] | None) -> dict[str, Any] | None:
        if own is None:
            return None
        averages = {part: self._of(part).player(name).get("average") for part in ("m", "p")}
        parts: dict[str, Any] = {"updates": (averages["p"] or {}).get("updates")}
        for kind in ("averages", "buffers"):
            parts[kind] = {
                key: ((averages[part_of(key)] or {}).get(kind) or {}).get(key) for key in own[kind]
            }
            if any(value is None for value in parts[kind].values()):
                self.afresh.append("averages of weights")
                return None
        return parts

    def _unused(self) -> Iterator[str]:
        """A line for each source with entries that nothing here takes, of the parts that it is asked for."""
        for role, source in self.sources.items():
            unused = []
            for name, (prefix, kind) in _NETWORKS.items():
                player = self.loop.players.get(name)
                own = set() if player is None else set(player.objective.state_dict())
                unused += [
                    prefix + key
                    for key in source.sets.get(kind, {})
                    if prefix + key not in own and (role == "pm" or part_of(prefix + key) == role)
                ]
            if unused:
                yield f"{source.path}: {len(unused)} entries are not used, the first {printable(unused[0])}"
