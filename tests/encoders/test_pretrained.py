"""The adapter to segmentation-models-pytorch and timm."""

from functools import partial

import pytest
import torch
from torch import nn

from gancomponents.encoders import PretrainedEncoder


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("resnet18", [64, 128, 256, 512]),  # first entry: the image itself
        ("mit_b0", [32, 64, 160, 256]),  # second entry: no channels
        ("vgg11", [256, 512, 512, 512]),  # first entry: real features at full resolution
        ("tu-test_convnext", [24, 32, 48, 64]),
    ],
)
def test_entries_without_features_are_left_out(name: str, channels: list[int]) -> None:
    with torch.device("cpu" if name == "mit_b0" else "meta"):  # MiT reads values as it is built
        encoder = PretrainedEncoder(name)
        features = encoder(torch.zeros(1, 3, 65, 96))
    assert encoder.out_channels == channels
    assert encoder.strides == [4, 8, 16, 32]
    sides = [(17, 24), (9, 12), (5, 6), (3, 3)]
    assert [tuple(f.shape[1:]) for f in features] == [(c, *s) for c, s in zip(channels, sides, strict=True)]


def test_features_are_the_librarys_own() -> None:
    encoder = PretrainedEncoder("tu-test_resnet").eval()
    x = torch.randn(1, 3, 64, 96)
    theirs = encoder.encoder(x)
    assert all(torch.equal(a, b) for a, b in zip(encoder(x), theirs[2:], strict=True))
    padded = nn.functional.pad(x[..., :90], (0, 6, 0, 0), mode="replicate")
    odd = encoder(x[..., :90])
    assert torch.equal(odd[0], encoder(padded)[0][..., :23])


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_output_strides(output_stride: int) -> None:
    encoder = PretrainedEncoder("tu-test_resnet", output_stride=output_stride)
    assert encoder.strides == [min(stride, output_stride) for stride in (4, 8, 16, 32)]
    side = -(-70 // output_stride)
    assert encoder(torch.randn(1, 3, 70, 70))[-1].shape[-2:] == (side, side)


def test_finer_and_fewer_stages() -> None:
    assert PretrainedEncoder("tu-test_resnet", finest_stride=2).strides == [2, 4, 8, 16, 32]
    assert PretrainedEncoder("tu-test_resnet", depth=3).strides == [4, 8]
    assert PretrainedEncoder("tu-test_convnext", finest_stride=2, depth=3).strides == [4, 8]
    with pytest.raises(ValueError, match=r"finest_stride must be one of \[2\] at depth 1, got 4"):
        PretrainedEncoder("tu-test_resnet", depth=1)


def test_windows_that_need_larger_multiples_name_it() -> None:
    with torch.device("meta"):
        encoder = PretrainedEncoder("tu-mobilevitv2_050")
        with pytest.raises(ValueError, match=r"use PretrainedEncoder\(..., multiple=64\)"):
            encoder(torch.zeros(1, 3, 64, 96))
        larger = PretrainedEncoder("tu-mobilevitv2_050", multiple=64)
        assert larger(torch.zeros(1, 3, 64, 96))[-1].shape[-2:] == (2, 3)


def test_options_reach_timm() -> None:
    encoder = PretrainedEncoder("tu-test_resnet", options={"drop_path_rate": 0.5})
    rates = [m.drop_prob for m in encoder.modules() if hasattr(m, "drop_prob")]
    assert max(rates) == pytest.approx(0.5)


def test_swin_takes_any_size_where_told_to() -> None:
    small = {"depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1), "embed_dim": 8}
    make = partial(PretrainedEncoder, "tu-swin_tiny_patch4_window7_224")
    with torch.device("meta"):
        assert make(options=small)(torch.zeros(1, 3, 224, 224))[-1].shape == (1, 64, 7, 7)
        with pytest.raises(
            ValueError,
            match=r"'tu-swin_tiny_patch4_window7_224' takes, got 96x128 .*: resize it to \(224, 224\), "
            r"or try PretrainedEncoder\(..., options={'strict_img_size': False}\)",
        ):
            make(options=small)(torch.zeros(1, 3, 90, 100))
        free = make(options={**small, "strict_img_size": False})
        assert free(torch.zeros(1, 3, 90, 100))[-1].shape == (1, 64, 3, 4)


def test_other_encoders_of_one_size_name_it_and_the_option() -> None:
    make = partial(PretrainedEncoder, "tu-maxvit_tiny_tf_224")
    with torch.device("meta"):
        with pytest.raises(ValueError, match=r"resize it to \(224, 224\).*options={'img_size': \(64, 96\)}"):
            make()(torch.zeros(1, 3, 64, 96))
        sized = make(options={"img_size": (64, 96)})
        assert sized(torch.zeros(1, 3, 64, 96))[-1].shape[-2:] == (2, 3)
        with pytest.raises(ValueError, match=r"resize it to \(64, 96\)"):
            sized(torch.zeros(1, 3, 96, 160))


def test_errors_of_the_network_itself_pass() -> None:
    def fail(*given: object) -> None:
        raise RuntimeError("not of the size")

    encoder = PretrainedEncoder(
        "tu-swin_tiny_patch4_window7_224",
        depth=2,
        options={"depths": (1,), "num_heads": (1,), "embed_dim": 8},
    )
    encoder.encoder.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="not of the size"):
        encoder(torch.zeros(1, 3, 224, 224))


def test_too_small_an_image_names_what_else_helps() -> None:
    small = torch.zeros(1, 3, 60, 60)
    with pytest.raises(
        ValueError, match=r"at least 64x64.* pad it to 64x64, or use a smaller output_stride or depth"
    ):
        PretrainedEncoder("tu-test_resnet")(small)
    assert PretrainedEncoder("tu-test_resnet", output_stride=16)(small)
    assert PretrainedEncoder("tu-test_resnet", depth=4)(small)
    with pytest.raises(ValueError, match=r"pad it to 16x16$"):
        PretrainedEncoder("tu-test_resnet", output_stride=8)(small[..., :9, :9])


@pytest.mark.parametrize("fault", [OSError, torch.OutOfMemoryError])
def test_faults_of_network_and_memory_are_not_the_names(
    fault: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object, **options: object) -> None:
        raise fault("elsewhere")

    monkeypatch.setattr("segmentation_models_pytorch.encoders.get_encoder", fail)
    with pytest.raises(fault, match="elsewhere"):
        PretrainedEncoder("resnet18")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            partial(PretrainedEncoder, "tu-vit_tiny_patch16_224"),
            "whose feature maps halve from stage to stage, got 'tu-vit_tiny_patch16_224' .* take a pyramid",
        ),
        (
            partial(PretrainedEncoder, "tu-pvt_v2_b0", output_stride=16),
            "that can have an output stride of 16, got 'tu-pvt_v2_b0' .*: use output_stride=32",
        ),
        (
            partial(PretrainedEncoder, "vgg11", output_stride=8),
            "that can have an output stride of 8, got 'vgg11' .*: use output_stride=32",
        ),
        (
            partial(PretrainedEncoder, "tu-test_resnet", options={"nonsense": 1}),
            "built with .*options={'nonsense': 1}, got 'tu-test_resnet' .*: change these",
        ),
        (
            partial(PretrainedEncoder, "resnet18", weights="own/weights.pth"),
            r"weights must be None or one of .*, got 'own/weights.pth': .*encoders.load_weights",
        ),
        (
            partial(PretrainedEncoder, "tu-test_resnet", weights="own/weights.pth"),
            r"weights must be None or one of \['imagenet'\], got 'own/weights.pth': .*encoders.load_weights",
        ),
        (partial(PretrainedEncoder, "resnot18"), "got 'resnot18': did you mean 'resnet18'"),
        (partial(PretrainedEncoder, "tu-convnext_atoo"), "did you mean 'tu-convnext_atto'"),
        (partial(PretrainedEncoder, "convnext_tiny"), "did you mean 'tu-convnext_tiny'"),
        (
            partial(PretrainedEncoder, "resnet18", weights="imagenot"),
            "weights must be None or one of .*'imagenet'",
        ),
        (
            partial(PretrainedEncoder, "resnet18", options={"drop_rate": 0.1}),
            "options must be empty for 'resnet18'",
        ),
        (partial(PretrainedEncoder, "resnet18", 0), "in_channels must be >= 1"),
        (partial(PretrainedEncoder, "resnet18", output_stride=4), "output_stride must be 8, 16 or 32"),
        (partial(PretrainedEncoder, "resnet18", depth=6), "depth must be between 1 and 5"),
        (partial(PretrainedEncoder, "resnet18", multiple=0), "multiple must be >= 1"),
    ],
)
def test_bad_arguments_are_refused(make: partial[PretrainedEncoder], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
