"""Optimisers and schedules."""

from gancomponents.optim.extra_adam import ExtraAdam
from gancomponents.optim.schedules import Constant, MultiStep, Schedule, StepDecay, set_learning_rate

__all__ = ["Constant", "ExtraAdam", "MultiStep", "Schedule", "StepDecay", "set_learning_rate"]
