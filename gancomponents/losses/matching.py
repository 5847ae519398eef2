"""Feature matching: a fake shall look like its real image to every stage of the discriminator."""

import torch
from torch import Tensor, nn

from gancomponents.layers.precision import full_precision
from gancomponents.losses._scores import Scores, feature_lists


def feature_matching(real_features: Scores, fake_features: Scores) -> Tensor:
    """L1 distance between the discriminator's features of real and fake images.

    Wang et al. 2018 (pix2pixHD), Eq. (4): the sum over scales and stages of the mean absolute difference,
    divided by the number of scales. The last entry of each list, the scores, is left out. Real features are
    constants.

    Args:
        real_features: list of features, scores last, or a list of such lists over scales.
        fake_features: the same for the fakes.

    Shape:
        entry i of both: the same (B, C_i, H_i, W_i); returns a scalar.

    Raises:
        ValueError: the two differ in structure or shape, or hold scores only.

    >>> import torch
    >>> real, fake = [torch.ones(1, 2, 4, 4), torch.ones(1, 1)], [torch.zeros(1, 2, 4, 4), torch.ones(1, 1)]
    >>> float(feature_matching(real, fake))
    1.0
    """
    real_lists = feature_lists(real_features, "real_features")
    fake_lists = feature_lists(fake_features, "fake_features")
    if [len(features) for features in real_lists] != [len(features) for features in fake_lists]:
        raise ValueError(
            f"fake_features must have as many entries as real_features at each scale, got "
            f"{[len(f) for f in fake_lists]} and {[len(f) for f in real_lists]}: use the same discriminator"
        )
    if any(len(features) < 2 for features in real_lists):
        raise ValueError(
            "real_features must hold features before the scores, got scores only: "
            "pass what ImageDiscriminator.features returns, or let your discriminator return its features too"
        )
    terms = []
    for reals, fakes in zip(real_lists, fake_lists, strict=True):
        for real, fake in zip(reals[:-1], fakes[:-1], strict=True):
            if real.shape != fake.shape:
                raise ValueError(
                    f"fake_features must have the shapes of real_features, got {tuple(fake.shape)} and "
                    f"{tuple(real.shape)}: score images of one size"
                )
            terms.append((full_precision(fake) - full_precision(real.detach())).abs().mean())
    return torch.stack(terms).sum() / len(real_lists)


class FeatureMatchingLoss(nn.Module):
    """``feature_matching`` as a Module, Wang et al. 2018 (pix2pixHD), Eq. (4).

    Shape:
        what discriminators return for real and fake images, features included; returns a scalar.

    >>> import torch
    >>> features = [[torch.ones(1, 2, 4, 4), torch.ones(1, 1, 2, 2)]]
    >>> float(FeatureMatchingLoss()(features, features))
    0.0
    """

    def forward(self, real_scores: Scores, fake_scores: Scores) -> Tensor:
        return feature_matching(real_scores, fake_scores)
