"""From upstream's entries to ours: build what the layout says, and fill every entry of it exactly once."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gancomponents.errors import InputError
from recipes import config
from recipes.climategan import ClimateGAN, Critics
from recipes.upstream.entries import Shape
from recipes.upstream.keys import Slots
from recipes.upstream.layout import Layout
from recipes.upstream.parts import recipe_text
from recipes.upstream.systems import critic_slots, model_slots

_FIX = "check that the file is whole, and of a configuration that upstream has"


@dataclass(frozen=True)
class Network:
    """One of our state dicts without its values, and where each of upstream's entries goes in it.

    Attributes:
        state: our entries, on the meta device.
        parts: slots by upstream's part, such as "decoders.m".
    """

    state: Mapping[str, Tensor]
    parts: Mapping[str, Slots]

    @property
    def slots(self) -> Slots:
        """The slots of all parts."""
        return {key: slot for slots in self.parts.values() for key, slot in slots.items()}

    def shapes(self) -> dict[str, Shape]:
        """The shape that each of upstream's entries must have."""
        return {key: tuple(slot.read(self.state).shape) for key, slot in self.slots.items()}

    def faults(self, given: Mapping[str, Shape]) -> list[str]:
        """What keeps upstream's entries from filling ours, a line for each key; nothing where all is well.

        Args:
            given: upstream's shapes by key.
        """
        wanted = self.shapes()
        unknown = [f"{key}: nothing of this architecture" for key in sorted(given.keys() - wanted.keys())]
        missing = [f"{key}: not in the file" for key in sorted(wanted.keys() - given.keys())]
        different = [
            f"{key}: {list(given[key])} in place of {list(shape)}"
            for key, shape in wanted.items()
            if key in given and given[key] != shape
        ]
        return unknown + missing + different

    def fill(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Our state dict with upstream's values; both halves of a stacked convolution side by side."""
        halves: dict[str, dict[int, Tensor]] = {}
        for key, slot in self.slots.items():
            halves.setdefault(slot.key, {})[slot.half or 0] = values[key]
        return {
            key: torch.cat([halves[key][half] for half in sorted(halves[key])]).to(like.dtype)
            if like.ndim
            else halves[key][0].to(like.dtype)
            for key, like in self.state.items()
        }


def build(layout: Layout) -> tuple[str, dict[str, Network]]:
    """The recipe of a layout, and the networks that it builds: "model", and "critics" where there are any.

    They are built from the bindings that will be written, so that these are known to work, without memory for
    their values. The recipe also says how the photos are read, which whoever applies the model asks.

    Raises:
        InputError: when no such networks can be built.
    """
    networks = (layout.model,) if layout.critics is None else (layout.model, layout.critics)
    text = recipe_text([*networks, layout.data])
    with tempfile.TemporaryDirectory() as folder, torch.device("meta"):
        path = Path(folder) / "config.gin"
        path.write_text(recipe_text(networks))  # whose every binding must take effect
        config.parse(str(path))
        try:
            return text, _build(layout)
        except InputError as error:  # widths that no network of ours can have, for one
            what = "the networks that its keys and shapes describe"
            raise InputError(what, expected="some that upstream has", got=str(error), fix=_FIX) from None


def _build(layout: Layout) -> dict[str, Network]:
    model = config.build(ClimateGAN, strict=layout.critics is None)
    networks = {"model": _network(model, model_slots(model))}
    if layout.critics is not None:
        critics = config.build(Critics)
        networks["critics"] = _network(critics, critic_slots(critics))
    return networks


def _network(module: nn.Module, parts: Mapping[str, Slots]) -> Network:
    network = Network(module.state_dict(), parts)
    unmapped = network.state.keys() - {slot.key for slot in network.slots.values()}
    assert not unmapped, f"entries of ours that upstream's keys do not fill: {sorted(unmapped)}"
    return network
