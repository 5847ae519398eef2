"""Training steps: the full one in both orders, each side's alone, and each objective."""

from collections.abc import Iterator
from itertools import count as numbers

from torch import Tensor

from benchmarks.climategan.cases import Case, count
from benchmarks.climategan.settings import Settings, build, contiguous, example
from benchmarks.plain.step import PlainStep
from benchmarks.timing import Work
from gancomponents.training import AdversarialLoop, Batch
from recipes.recipe import Recipe


def full_step(settings: Settings, *more: str) -> Work:
    """Our full step, with weights, moments, look-ahead and gradients of the step before it already there."""
    recipe = build(settings, *more)
    batch = example(recipe)
    steps = numbers()
    recipe.loop.step(batch, next(steps))
    return lambda: recipe.loop.step(batch, next(steps))


def plain_step(settings: Settings) -> Work:
    """The plain form's, likewise."""
    recipe = build(settings, "run.Recipe.precision = 'fp32'")
    plain, batch = PlainStep(recipe.system), contiguous(example(recipe))
    plain(batch)
    return lambda: plain(batch)


class Steps:
    """Ours and the plain form's step on one batch; both train, each its own networks.

    Args:
        recipe: ours; its networks are trained from now on.
        batch: on its device.
    """

    def __init__(self, recipe: Recipe, batch: Batch):
        loop = recipe.loop
        assert loop.critic is not None
        self.recipe, self.batch = recipe, batch
        self.generator, self.critic, self.runtime = loop.generator, loop.critic, recipe.runtime
        self.plain, self.plain_batch = PlainStep(recipe.system), contiguous(batch)
        # Counted in the plain form, which computes nothing again inside either side.
        self.generator_flops = count(lambda: self.plain.backward_generator(self.plain_batch))
        shown = self.plain.present(self.plain_batch)
        self.critic_flops = count(
            lambda: _total(self.plain.critic_losses(self.plain_batch, shown)).backward()
        )
        self.again_flops = count(lambda: self.plain.present(self.plain_batch))

    def whole(self, ours: Work, plain: Work) -> Case:
        """The full step."""
        needed = self.generator_flops + self.critic_flops
        return Case("step", ours, plain, needed, needed + self.again_flops)

    def strict(self, ours: Work) -> Case:
        """The full step in the strict order, of which there is no plain twin."""
        return Case("step strict", ours, flops=self.generator_flops + self.critic_flops)

    def sides(self) -> Iterator[Case]:
        """The steps of each side alone, optimisers included."""
        yield Case("generator step", self._generator_step(), self._plain_generator_step, self.generator_flops)
        yield Case(
            "critics step",
            self._critics_step(),
            self._plain_critics_step,
            self.critic_flops,
            self.critic_flops + self.again_flops,
        )

    def objectives(self) -> Iterator[Case]:
        """Forward and backward of each objective: the masker's on s and on r, the painter's, the critics'."""
        names = {"s": "masker s", "r": "masker r", "rf": "painter objective"}
        for domain, name in names.items():
            one, plain_one = {domain: self.batch[domain]}, {domain: self.plain_batch[domain]}
            plain = lambda plain_one=plain_one: self._plain_gradients(plain_one)  # noqa: E731
            yield Case(name, lambda one=one: self._gradients(one), plain, count(plain))
        shown = self._present()
        yield Case(
            "critics objective",
            lambda: self._critic_gradients(shown),
            self._plain_critic_gradients,
            self.critic_flops,
            self.critic_flops + self.again_flops,
        )

    def _generator_step(self) -> Work:
        loop = AdversarialLoop(self.generator, None, self.runtime)
        steps = numbers()

        def step() -> None:
            self.critic.freeze(True)
            loop.step(self.batch, next(steps))

        return step

    def _critics_step(self) -> Work:
        shown = self._present()

        def step() -> None:
            self._critic_gradients(shown)
            self.critic.gradients()  # unscaled in fp16
            self.critic.step(0)

        return step

    def _plain_generator_step(self) -> None:
        self.plain.generator_optimiser.zero_grad()
        self.plain.backward_generator(self.plain_batch)
        self.plain.generator_optimiser.step()

    def _plain_critics_step(self) -> None:
        self._plain_critic_gradients()
        self.plain.critic_optimiser.step()

    def _gradients(self, batch: Batch) -> None:
        self.critic.freeze(True)
        self.generator.freeze(False)
        self.generator.forget()
        with self.runtime.autocast():
            losses, _ = self.generator.objective(batch, {})
        self.generator.backward(losses)

    def _plain_gradients(self, batch: Batch) -> None:
        self.plain.generator_optimiser.zero_grad()
        self.plain.backward_generator(batch)

    def _plain_critic_gradients(self) -> None:
        self.plain.critic_optimiser.zero_grad()
        self.plain.backward_critics(self.plain_batch)

    def _critic_gradients(self, shown: dict[str, Tensor]) -> None:
        self.critic.freeze(False)
        self.critic.forget()
        with self.runtime.autocast():
            losses, _ = self.critic.objective(self.batch, shown)
        self.critic.backward(losses)

    def _present(self) -> dict[str, Tensor]:
        with self.runtime.autocast():
            shown: dict[str, Tensor] = self.generator.objective.present(self.batch)  # type: ignore[operator]
        return shown


def _total(losses: dict[str, Tensor]) -> Tensor:
    return sum(losses.values(), next(iter(losses.values())).new_zeros(()))
