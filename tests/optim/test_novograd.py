import pytest
import torch
from torch import nn

from gancomponents.optim import novograd


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"betas": (0.95, 0.98)},
        {"betas": (0.95, 0.98), "amsgrad": True},
        {"weight_decay": 0.1},
        {"grad_averaging": True},
        {"eps": 0.5},
    ],
    ids=str,
)
def test_as_the_paper_has_it(options: dict[str, object]) -> None:
    settings = {"betas": (0.9, 0.0), "eps": 1e-8, "weight_decay": 0.0, "grad_averaging": False, **options}
    b1, b2 = settings["betas"]  # type: ignore[misc]
    p = nn.Parameter(torch.randn(5))
    w, m, v, largest = p.detach().clone(), torch.zeros(5), None, torch.zeros(())
    optimizer = novograd([p], lr=0.1, **options)  # type: ignore[arg-type]
    for _ in range(4):
        p.grad = torch.randn(5)
        square = p.grad.square().sum()
        v = square if v is None else b2 * v + (1 - b2) * square
        largest = torch.maximum(largest, v)
        root = (largest if options.get("amsgrad") else v).sqrt() + settings["eps"]
        step = p.grad / root + settings["weight_decay"] * w
        m = b1 * m + ((1 - b1) if settings["grad_averaging"] else 1) * step
        w = w - 0.1 * m
        optimizer.step()
        torch.testing.assert_close(p.detach(), w)


@pytest.mark.parametrize(
    ("name", "value"), [("lr", -1.0), ("betas", (1.0, 0.0)), ("eps", -1.0), ("weight_decay", -1.0)]
)
def test_bad_arguments(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} must"):
        novograd([nn.Parameter(torch.zeros(1))], **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "choice",
    ["optim.ExtraAdam", "optim.novograd", "torch_optim.Adam", "torch_optim.RAdam", "torch_optim.RMSprop"],
)
def test_one_binding_selects_an_optimiser(choice: str) -> None:
    import gin

    gin.clear_config()
    gin.parse_config(
        f"""
        from __gin__ import dynamic_registration
        from gancomponents import optim
        from gancomponents.training import player
        from torch import optim as torch_optim

        player.Player.optimiser = @{choice}
        {choice}.lr = 0.25
        """
    )
    try:
        from gancomponents.training.player import Player

        chosen = gin.get_configurable(Player)(nn.Linear(2, 1)).optimiser
    finally:
        gin.clear_config()
    assert type(chosen).__name__.lower().removeprefix("nv") == choice.split(".")[1].lower()
    assert chosen.param_groups[0]["lr"] == 0.25
    chosen.param_groups[0]["params"][0].grad = torch.ones(1, 2)
    chosen.step()
