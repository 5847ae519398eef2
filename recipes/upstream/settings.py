"""What the keys and shapes of a checkpoint cannot tell: upstream's defaults, and what a user says instead."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gancomponents.errors import InputError
from recipes.strict import nearest


@dataclass(frozen=True)
class Setting:
    """One thing that a checkpoint does not tell.

    Attributes:
        default: what upstream's default configuration has.
        choices: every value it may take: a few, or a range.
        meaning: what it is, with upstream's name of the option where it has one.
    """

    default: Any
    choices: tuple[Any, ...] | range
    meaning: str

    @property
    def accepted(self) -> str:
        """The choices in words."""
        if isinstance(self.choices, range):
            return f"a whole number {self.choices.start} to {self.choices.stop - 1}"
        return f"one of {', '.join(map(str, self.choices))}"


_ACTIVATIONS = ("leaky_relu", "relu", "selu", "tanh", "sigmoid", "none")
_PADDING = ("reflect", "zeros", "replicate")
_NORMS = ("none", "instance")
_STRIDES = (1, 2, 4, 8, 16)
_EITHER = (True, False)

SETTINGS = {
    "size": Setting(640, range(32, 4097), "side of the images it was trained on (data.transforms)"),
    "stretch": Setting(True, _EITHER, "each photo to its full range first, as upstream always does"),
    "output_stride": Setting(8, (8, 16), "of the ResNet encoder (gen.deeplabv3.output_stride)"),
    "target_stride": Setting(4, _STRIDES, "the image over depth and segmentation (the last resize)"),
    "fuse_segmentation": Setting(True, _EITHER, "depth's map steers segmentation (gen.s.use_dada)"),
    "fuse_mask": Setting(False, _EITHER, "depth's map steers the mask (gen.m.use_dada)"),
    "detach_condition": Setting(False, _EITHER, "no gradient through it (gen.m.spade.detach)"),
    "activate_output": Setting(True, _EITHER, "of SPADE blocks (gen.m.spade.activations.all_lrelu)"),
    "depth_resize": Setting("upstream", ("upstream", "bicubic", "bilinear"), "how depth reaches its size"),
    "depth_norm": Setting("none", _NORMS, "of the plain depth decoder (gen.d.norm): neither has entries"),
    "depth_activation": Setting("leaky_relu", _ACTIVATIONS, "of the plain depth decoder (gen.d.activ)"),
    "depth_padding": Setting("reflect", _PADDING, "of the plain depth decoder (gen.d.pad_type)"),
    "mask_norm": Setting("none", _NORMS, "of the plain mask decoder (gen.m.norm): neither has entries"),
    "mask_activation": Setting("leaky_relu", _ACTIVATIONS, "of the plain mask decoder (gen.m.activ)"),
    "mask_padding": Setting("reflect", _PADDING, "of the plain mask decoder (gen.m.pad_type)"),
    "paste_original": Setting(True, _EITHER, "keep the photo outside (gen.p.paste_original_content)"),
}


@dataclass(frozen=True)
class Assumption:
    """A setting that mattered to this checkpoint, and the value it was given."""

    name: str
    value: Any
    asked: bool


class Settings:
    """The settings of one conversion: hands them out, and knows which ones were wanted.

    Args:
        overrides: texts such as ``"output_stride=16"``.

    Raises:
        InputError: for a text without an equals sign, an unknown name, or a value that is no choice.

    >>> settings = Settings(["output_stride=16"])
    >>> settings.take("output_stride"), settings.take("fuse_mask")
    (16, False)
    """

    def __init__(self, overrides: Iterable[str] = ()):
        self._overrides: dict[str, Any] = {}
        for name, value in map(_parse, overrides):
            if name in self._overrides:
                raise InputError(f"--set {name}", expected="it once", got="it twice", fix="leave one out")
            self._overrides[name] = value
        self._taken: dict[str, Assumption] = {}

    def take(self, name: str, default: Any = None) -> Any:
        """The value of a setting; ``default`` replaces upstream's where the file hints at another."""
        value = SETTINGS[name].default if default is None else default
        value = self._overrides.get(name, value)
        self._taken[name] = Assumption(name, value, name in self._overrides)
        return value

    def finish(self) -> tuple[Assumption, ...]:
        """What was taken, in order.

        Raises:
            InputError: for an override that nothing asked for.
        """
        for name in self._overrides.keys() - self._taken.keys():
            fix = f"leave it out; this file leaves open: {', '.join(self._taken) or 'nothing'}"
            got = "one that the file itself tells, or has no part for"
            raise InputError(f"--set {name}", expected="a setting that matters to it", got=got, fix=fix)
        return tuple(self._taken.values())


def _parse(text: str) -> tuple[str, Any]:
    name, equals, written = (piece.strip() for piece in text.partition("="))
    if not equals:
        fix = "write it as --set output_stride=16"
        raise InputError(f"--set {text!r}", expected="name=value", got="no equals sign", fix=fix)
    if name not in SETTINGS:
        raise InputError(
            f"--set {name}",
            expected=f"one of {', '.join(SETTINGS)}",
            got=repr(name),
            fix=nearest(name, SETTINGS),
        )
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        value = {"true": True, "false": False}.get(written.lower(), written)
    setting = SETTINGS[name]
    # 1 == True: a number is no yes, and the other way around.
    if not any(value == choice and type(value) is type(choice) for choice in setting.choices):
        known = () if isinstance(setting.choices, range) else map(str, setting.choices)
        fix = nearest(written, known)
        raise InputError(f"--set {name}", expected=setting.accepted, got=repr(written), fix=fix)
    return name, value
