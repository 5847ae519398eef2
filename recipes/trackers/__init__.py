"""Experiment trackers behind `gancomponents.training.Tracker`; a recipe binds those it wants."""

from recipes.trackers.wandb import WandB

__all__ = ["WandB"]
