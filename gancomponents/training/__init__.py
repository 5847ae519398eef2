"""Training: the runtime, the adversarial loop, checkpoints and the tracker protocol."""

from gancomponents.training import checkpoint
from gancomponents.training.faults import Fault
from gancomponents.training.loop import AdversarialLoop
from gancomponents.training.player import Batch, Losses, Objective, Player
from gancomponents.training.runtime import Runtime
from gancomponents.training.tracking import Tracker, Trackers

__all__ = [
    "AdversarialLoop",
    "Batch",
    "Fault",
    "Losses",
    "Objective",
    "Player",
    "Runtime",
    "Tracker",
    "Trackers",
    "checkpoint",
]
