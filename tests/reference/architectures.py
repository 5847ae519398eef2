"""The recorded configurations of upstream's networks: every entry of each with its shape."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from recipes.upstream import keys
from recipes.upstream.entries import Shape
from tests.reference.test_networks import make_painter

Config = dict[str, Any]


def _architectures() -> dict[str, Any]:
    """Every recorded configuration by name, its overrides of upstream's defaults and its entries."""
    named = os.environ.get("REFERENCE_CASES")
    if not named:
        return {}
    recorded = json.loads((Path(named).parent / "architecture.json").read_text())
    return {
        name: entry for name, entry in recorded.items() if name.startswith(("generator", "discriminator"))
    }


ARCHITECTURES = _architectures()


def names(prefix: str) -> list[Any]:
    """Parameters: the configurations whose names start so, or one skipped stand-in."""
    if not ARCHITECTURES:
        reason = "REFERENCE_CASES names no folder of reference cases"
        return [pytest.param(None, id=prefix, marks=pytest.mark.skip(reason=reason))]
    # One configuration cannot be built upstream and has no entries.
    return [
        name for name, entry in ARCHITECTURES.items() if name.startswith(prefix) and "state_dict" in entry
    ]


def shapes_of(name: str) -> dict[str, Shape]:
    """The recorded shapes of a configuration by upstream key."""
    return {entry["key"]: tuple(entry["shape"]) for entry in ARCHITECTURES[name]["state_dict"]}


def painter_shapes(config: Config) -> dict[str, Shape]:
    """Those of a painter, of any width: the recorded ones are large."""
    arguments = {name: config[f"gen.p.{name}"] for name in ("latent_dim", "spade_n_up")}
    with torch.device("meta"):
        painter = make_painter(arguments)
    state = painter.state_dict()
    slots = keys.slots(painter, keys.painter)
    return {f"painter.{key}": tuple(slot.read(state).shape) for key, slot in slots.items()}
