"""The loader: samples a second that one core reads and transforms."""

import statistics
import time
from typing import Any

from benchmarks.climategan.settings import Settings
from gancomponents.data import DomainDataset
from recipes import config
from recipes.recipe import Recipe

_FRAMES = 4  # of each domain: they stay in the file cache, so that no disk is measured


def rates(settings: Settings, rounds: int) -> dict[str, Any]:
    """Samples a second of one core by domain, and milliseconds a sample by stage.

    The files are frames of the Town at the size of the work, rendered once into the user's cache.
    """
    lists = ("TRAIN_S", "TRAIN_R", "TRAIN_RF", "VAL_S", "VAL_R", "VAL_RF")
    files = [f"{name} = {name.lower() + '.json'!r}" for name in lists]
    town = (
        "data.Data.source = @data.Town()",
        f"data.Town.size = {settings.size}",
        f"data.Town.count = {_FRAMES}",
        "data.Town.val_count = 1",
    )
    config.parse(
        "recipes/climategan_paper.gin", [*settings.bound(), *files, *town, "data.Data.batch_size = 1"]
    )
    recipe: Recipe = config.build(Recipe)
    recipe.data.prepare(recipe.domains, [])
    loader = recipe.data.loader(0, recipe.domains)
    found = {}
    for domain, dataset in loader.datasets.items():
        whole = _milliseconds(dataset, rounds)
        transform, dataset.transform = dataset.transform, lambda fields, generator: fields
        read = _milliseconds(dataset, rounds)
        dataset.transform = transform
        stages = {"read": read, "transform": max(whole - read, 0.0)}
        found[domain] = {"samples_per_second": 1000 / whole, "milliseconds": stages}
    return found


def _milliseconds(dataset: DomainDataset, rounds: int) -> float:
    """The median over rounds of a sample's, in this thread."""
    times = []
    for turn in range(rounds + 1):
        begin = time.perf_counter()
        for index in range(_FRAMES):
            dataset.sample(index, turn)
        if turn:
            times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times) / _FRAMES
