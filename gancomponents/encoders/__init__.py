"""Encoders: from an image to a list of feature maps, coarse last."""

from gancomponents.encoders.bottleneck import Bottleneck
from gancomponents.encoders.deeplab_v2 import DeepLabV2ResNet
from gancomponents.encoders.deeplab_v3 import DeepLabV3ResNet
from gancomponents.encoders.freezing import FrozenBatchNorm, freeze
from gancomponents.encoders.mobilenet import InvertedResidual, MobileNetV2
from gancomponents.encoders.pretrained import PretrainedEncoder
from gancomponents.encoders.protocol import Encoder
from gancomponents.encoders.weights import load_weights

__all__ = [
    "Bottleneck",
    "DeepLabV2ResNet",
    "DeepLabV3ResNet",
    "Encoder",
    "FrozenBatchNorm",
    "InvertedResidual",
    "MobileNetV2",
    "PretrainedEncoder",
    "freeze",
    "load_weights",
]
