"""gin made strict: every mistake is one clear error that names the nearest right thing."""

from pathlib import Path

import gin
import pytest

from gancomponents import training
from gancomponents.errors import InputError
from recipes import config

_RECIPE = """
from __gin__ import dynamic_registration
from gancomponents import training

DEVICE = 'cpu'

training.Runtime.device = %DEVICE
training.Runtime.precision = 'fp32'
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "small.gin"
    path.write_text(_RECIPE)
    return str(path)


def _build(recipe: str, *bindings: str) -> training.Runtime:
    config.parse(recipe, bindings)
    return config.build(training.Runtime)


def test_bindings_reach_the_constructor_and_the_last_wins(recipe: str) -> None:
    assert _build(recipe).precision == "fp32"
    assert _build(recipe, "training.Runtime.precision = 'bf16'").precision == "bf16"
    assert (
        _build(recipe, "training.Runtime.precision = 'bf16'", "training.Runtime.precision = 'fp32'").precision
        == "fp32"
    )


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("training.Runtime.precison = 'bf16'", "write precision"),
        ("training.Runtme.precision = 'bf16'", "write Runtime"),
        ("trainng.Runtime.precision = 'bf16'", "write training"),
        ("scope/training.Runtime.precision = 'bf16'", "write training.Runtime.precision or remove it"),
        ("training.Player.schedule = None", "one that nothing uses"),
        ("DEVCE = 'cuda'", "write DEVICE"),
        ("training.Runtime.precision = bf16", "valid gin"),
        ("training.Runtime.precision", "no equals sign"),
        ("training.Runtime.device = %MISSING", "MISSING"),
        ("training.Runtime.precision = 'b16'", "auto, fp32, bf16"),
        ("training.Runtime.device = @training.Nothing()", "Nothing"),
        ("", "no equals sign"),
        ("= 3", "valid gin"),
    ],
)
def test_mistakes_are_one_clear_error(recipe: str, binding: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        _build(recipe, binding)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_binding_shadowed_everywhere_is_unused(tmp_path: Path) -> None:
    path = tmp_path / "scoped.gin"
    path.write_text(
        "from __gin__ import dynamic_registration\n"
        "from tests.recipes import pair\n"
        "pair.Pair.first = @a/pair.Leaf()\n"
        "a/pair.Leaf.value = 1\n"
        "pair.Leaf.value = 2\n"
    )
    from tests.recipes import pair

    config.parse(str(path))
    with pytest.raises(InputError, match=r"pair\.Leaf\.value"):
        config.build(pair.Pair)
    config.parse(str(path), ["pair.Pair.second = @pair.Leaf()"])
    built = config.build(pair.Pair)
    assert (built.first.value, built.second.value) == (1, 2)


def test_a_factory_that_is_never_called_is_unused(tmp_path: Path) -> None:
    path = tmp_path / "factory.gin"
    path.write_text(
        "from __gin__ import dynamic_registration\n"
        "from tests.recipes import pair\n"
        "pair.Pair.first = @pair.Leaf\n"
        "pair.Leaf.value = 2\n"
    )
    from tests.recipes import pair

    config.parse(str(path))
    with pytest.raises(InputError, match="nothing uses"):
        config.build(pair.Pair)


def test_what_a_replaced_value_alone_used_is_excused(tmp_path: Path) -> None:
    path = tmp_path / "replaced.gin"
    path.write_text(
        "from __gin__ import dynamic_registration\n"
        "from tests.recipes import pair\n"
        "pair.Pair.first = @a/pair.Leaf()\n"
        "a/pair.Leaf.value = 1\n"
    )
    from tests.recipes import pair

    config.parse(str(path), ["pair.Pair.first = 3"])
    assert config.build(pair.Pair).first == 3
    config.parse(str(path), ["pair.Pair.first = 3", "b/pair.Leaf.value = 2"])
    with pytest.raises(InputError, match=r"b/pair\.Leaf\.value"):
        config.build(pair.Pair)


@pytest.mark.parametrize("name", ["nowhere.gin", "recipes/climategan.yaml", "", ".", "recipes"])
def test_missing_files(name: str) -> None:
    with pytest.raises(InputError, match="--gin"):
        config.parse(name)


@pytest.mark.parametrize(
    "text",
    ["{", "include 'nowhere.gin'", "import nowhere_at_all", "x = ", "a.b.c = 1", "\x00"],
)
def test_malformed_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.gin"
    path.write_text(text)
    with pytest.raises(InputError, match=r"bad\.gin"):
        config.parse(str(path))


def test_the_parsed_text_can_be_parsed_again(recipe: str, tmp_path: Path) -> None:
    config.parse(recipe, ["training.Runtime.precision = 'bf16'"])
    again = tmp_path / "again.gin"
    again.write_text(config.parsed_text())
    assert "# torch " in config.parsed_text()
    assert _build(str(again)).precision == "bf16"


def test_the_operative_text_has_defaults_too(recipe: str) -> None:
    _build(recipe)
    assert "channels_last = True" in config.operative_text()


def test_bound_reads_before_building(recipe: str) -> None:
    config.parse(recipe)
    assert config.bound("training.Runtime.precision", "x") == "fp32"
    assert config.bound("training.Runtime.channels_last", "x") == "x"


def test_parsing_starts_from_nothing(recipe: str) -> None:
    _build(recipe, "training.Runtime.precision = 'bf16'")
    config.parse(recipe)
    assert gin.query_parameter("training.Runtime.precision") == "fp32"
