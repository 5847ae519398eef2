"""Encoders: from an image to a list of feature maps, coarse last."""

from gancomponents.encoders.mobilenet import InvertedResidual, MobileNetV2
from gancomponents.encoders.protocol import Encoder
from gancomponents.encoders.resnet import Bottleneck, DeepLabV3ResNet

__all__ = ["Bottleneck", "DeepLabV3ResNet", "Encoder", "InvertedResidual", "MobileNetV2"]
