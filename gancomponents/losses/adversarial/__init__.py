"""Adversarial losses: for each a pair of functions, and a Module with ``generator`` and ``discriminator``."""

from gancomponents.losses.adversarial.bce import (
    BCEGANLoss,
    NonSaturatingLoss,
    bce_discriminator_loss,
    bce_generator_loss,
    bce_loss,
)
from gancomponents.losses.adversarial.hinge import HingeLoss, hinge_discriminator_loss, hinge_generator_loss
from gancomponents.losses.adversarial.least_squares import (
    LeastSquaresGANLoss,
    least_squares_discriminator_loss,
    least_squares_generator_loss,
    least_squares_loss,
)
from gancomponents.losses.adversarial.protocol import AdversarialLoss
from gancomponents.losses.adversarial.relativistic import (
    RelativisticLoss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
)
from gancomponents.losses.adversarial.wasserstein import (
    WassersteinLoss,
    wasserstein_discriminator_loss,
    wasserstein_generator_loss,
)
