"""ClimateGAN: from one street photo, depth, segmentation and water; and the street flooded, burning, in smog."""

from recipes.climategan.critics import Critics
from recipes.climategan.distances import PaintedDistances
from recipes.climategan.masker_losses import MaskerLosses
from recipes.climategan.model import ClimateGAN, Masker, Prediction
from recipes.climategan.objectives import CriticObjective, GeneratorObjective
from recipes.climategan.painter_losses import PainterLosses
from recipes.climategan.system import System

__all__ = [
    "ClimateGAN",
    "CriticObjective",
    "Critics",
    "GeneratorObjective",
    "Masker",
    "MaskerLosses",
    "PaintedDistances",
    "PainterLosses",
    "Prediction",
    "System",
]
