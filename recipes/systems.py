"""What a recipe asks of the system that it trains."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from gancomponents.metrics import HealthRange
from gancomponents.training import Batch, Player, Runtime
from recipes import pictures
from recipes.data import Data
from recipes.phases import Phases


class System(Protocol):
    """What a recipe trains. `recipes.climategan.System` is one."""

    model: nn.Module
    critics: nn.Module
    generator: Player
    critic: Player | None
    health_ranges: Mapping[str, HealthRange]

    def parts(self) -> dict[str, nn.Module]: ...

    def fetch(self, *, afresh: bool) -> None: ...

    def shown_domains(self, data: Data) -> list[str]: ...

    def domains(self, offered: Collection[str], *, pretraining: bool = False) -> tuple[str, ...]: ...

    def check_phases(self, phases: Phases, data: Data) -> None: ...

    def enter(self, on: frozenset[str]) -> None: ...

    def example_batch(self, data: Data, generator: torch.Generator, domains: Collection[str]) -> Batch: ...

    def evaluate(self, data: Data, runtime: Runtime) -> dict[str, float]: ...

    def evaluate_baseline(self, data: Data, runtime: Runtime) -> dict[str, float]: ...

    def health(self, data: Data, runtime: Runtime) -> dict[str, float]: ...

    def sample(self, data: Data, runtime: Runtime) -> pictures.Picture | None: ...

    def sheets(self, data: Data, runtime: Runtime) -> dict[str, pictures.Picture]: ...

    def show_events(self, data: Data, runtime: Runtime, folder: Path) -> list[Path]: ...
