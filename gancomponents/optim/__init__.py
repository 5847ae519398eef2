"""Optimisers, learning rates and averages of weights.

Whatever takes parameters first will do wherever an optimiser is chosen: those here, and torch's own, such as
``torch.optim.Adam``, ``RAdam`` and ``RMSprop``.
"""

from gancomponents.optim.ema import ExponentialMovingAverage
from gancomponents.optim.extra_adam import ExtraAdam
from gancomponents.optim.groups import parameter_groups
from gancomponents.optim.novograd import novograd
from gancomponents.optim.schedules import (
    Constant,
    Cosine,
    MultiStep,
    Schedule,
    StepDecay,
    Warmup,
    set_learning_rate,
)

__all__ = [
    "Constant",
    "Cosine",
    "ExponentialMovingAverage",
    "ExtraAdam",
    "MultiStep",
    "Schedule",
    "StepDecay",
    "Warmup",
    "novograd",
    "parameter_groups",
    "set_learning_rate",
]
