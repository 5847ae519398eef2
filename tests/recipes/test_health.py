"""The watch over a run's scalars: it sees what is wrong, keeps quiet otherwise, and replays as it went."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from gancomponents.errors import InputError
from gancomponents.metrics import HealthRange
from recipes.folder import RunFolder
from recipes.health import Event, Health
from recipes.health_section import ADVICE, section
from recipes.report import draw_curves, write_report

Line = dict[str, float]


def _series(
    count: int, change: Callable[[int, Line], None] = lambda i, line: None, seed: int = 0
) -> list[Line]:
    """Lines of a healthy run, noisy and improving slowly, each changed by ``change``."""
    draw = random.Random(seed)
    lines = []
    for i in range(count):
        noise = draw.lognormvariate(0, 0.3)
        line = {
            "step": 10 * i + 1,
            "time": float(i),
            "masker/m/bce/s": 4.0 * noise / (1 + 0.02 * i),
            "painter/p/gan/rf": 5.0 * draw.lognormvariate(0, 0.3),
            "critic/p/gan/rf": 1.386 * draw.lognormvariate(0, 0.05),
            "grad_norm/generator": 20.0 * draw.lognormvariate(0, 0.5),
            "grad_norm/critic": 3.0 * draw.lognormvariate(0, 0.5),
            "lr/generator": 0.002,
            "images_per_second": 10.0,
        }
        change(i, line)
        for part in ("masker", "painter", "critic"):
            terms = [value for name, value in line.items() if name.startswith(part + "/")]
            if terms:
                line[part] = sum(terms)
        lines.append(line)
    return lines


def _signals(lines: list[Line], health: Health | None = None) -> list[str]:
    return [event.signal for event in (health or Health()).replay(lines)]


@pytest.mark.parametrize("seed", range(8))
def test_noise_and_slow_trends_are_healthy(seed: int) -> None:
    def drift(i: int, line: Line) -> None:
        line["painter/p/gan/rf"] *= 1 + 0.05 * i

    assert _signals(_series(200, seed=seed)) == []
    assert _signals(_series(200, drift, seed=seed)) == []


@pytest.mark.parametrize("name", ["masker/m/bce/s", "grad_norm/generator", "grad_norm/critic"])
def test_a_spike_is_found_at_its_step_once(name: str) -> None:
    def spike(i: int, line: Line) -> None:
        line[name] *= 50 if i == 30 else 1

    (event,) = Health().replay(_series(60, spike))
    assert event.signal == f"spike/{'masker' if name.startswith('masker') else name}"
    assert event.step == 301
    assert event.value > event.threshold
    assert event.first


def test_nothing_is_a_spike_among_the_first_lines() -> None:
    def start(i: int, line: Line) -> None:
        line["masker/m/bce/s"] *= 50 if i < 2 else 1

    assert _signals(_series(40, start)) == []


def test_a_phase_that_adds_a_term_is_no_spike() -> None:
    def phase(i: int, line: Line) -> None:
        if i >= 20:
            line["masker/m/painter/r"] = 100.0 + i % 3
            line["grad_norm/generator"] *= 30
            line["grad_norm/critic"] *= 30

    assert _signals(_series(60, phase)) == []


@pytest.mark.parametrize(("factor", "state"), [(0.02, "critic won"), (2.0, "critic lost")])
def test_a_critic_far_from_chance_for_long_is_named_once(factor: float, state: str) -> None:
    def settle(i: int, line: Line) -> None:
        line["critic/p/gan/rf"] *= 1 if i < 10 else factor

    (event,) = Health().replay(_series(60, settle))
    assert event.signal == "level/critic/p/gan/rf"
    assert event.step == 141  # the fifth such line
    assert state in event.text


def test_a_few_lines_far_from_chance_do_not_count() -> None:
    def dip(i: int, line: Line) -> None:
        line["critic/p/gan/rf"] *= 0.02 if 10 <= i < 14 else 1

    assert _signals(_series(60, dip)) == []


def test_a_wasserstein_game_has_no_chance_level() -> None:
    def wasserstein(i: int, line: Line) -> None:
        line["critic/p/gan/rf"] = 0.3 if i == 0 else -2.0 - i % 5
        line["critic/p/penalty/rf"] = 10.0 / (1 + i)

    assert _signals(_series(60, wasserstein)) == []


@pytest.mark.parametrize(("critic", "state"), [(1e4, "generator starved"), (0.0, "critic starved")])
def test_a_starved_side_is_named(critic: float, state: str) -> None:
    def starve(i: int, line: Line) -> None:
        line["grad_norm/critic"] = critic

    (event,) = Health().replay(_series(30, starve))
    assert event.signal == "gradient_norm_ratio"
    assert state in event.text
    assert math.isfinite(event.value)  # JSON has no infinity


def test_a_loss_that_stands_still_is_named_unless_it_is_zero() -> None:
    def stand(i: int, line: Line) -> None:
        line["masker/m/tv/s"] = math.log(2)
        line["masker/m/ground_intersection/r"] = 0.0

    assert _signals(_series(40, stand)) == ["still/masker/m/tv/s"]


def test_values_that_are_not_finite_are_left_to_others() -> None:
    def skip(i: int, line: Line) -> None:
        if i % 7 == 3:
            line["grad_norm/generator"], line["grad_norm/critic"] = math.inf, math.nan

    assert _signals(_series(60, skip)) == []


def test_held_out_signals_may_begin_flat_but_must_not_fall_back() -> None:
    ranges = {"health/spread": HealthRange(0.5, 2.0, "flat", "wild")}

    def looks(*values: float) -> list[int]:
        lines = [{"step": step, "health/spread": value} for step, value in enumerate(values)]
        return [event.step for event in Health(ranges).replay(lines)]

    assert looks(0, 0, 0, 1, 1) == []
    assert looks(0, 0, 0, 0, 0) == [3]
    assert looks(1, 0, 1, 0, 1) == []
    assert looks(1, 0, 0, 0, 1, 5, 5) == [2, 6]


def _ill(i: int, line: Line) -> None:
    line["painter/p/gan/rf"] *= 50 if i in (20, 45) else 1
    line["critic/p/gan/rf"] *= 1 if i < 30 else 0.01


def test_replaying_what_was_written_equals_the_live_watch_wherever_it_was_cut(tmp_path: Path) -> None:
    folder, live, lines = RunFolder(tmp_path), Health(), _series(60, _ill)
    for line in lines:
        folder.append_metrics(line)
        events = live.observe(line["step"], {k: v for k, v in line.items() if k not in ("step", "time")})
        if events:
            found = {"step": line["step"], "time": 0.0, "health": [event.as_dict() for event in events]}
            folder.append_metrics(found)
        folder.append_metrics({"step": line["step"], "time": 0.0, "phases": ["a"], "val/masker": 1e9})
    assert len(live.events) == 3
    assert [event.first for event in live.events] == [True, True, False]
    records = folder.read_metrics()
    written = [Event.from_dict(entry) for record in records for entry in record.get("health", [])]
    assert written == live.events
    for cut in (0, 90, 91, len(records)):
        resumed = Health()
        resumed.replay(records[:cut])
        for record in records[cut:]:
            if "health" not in record and "phases" not in record:
                resumed.observe(record["step"], record)
        assert resumed.events == live.events
        assert [e.first for e in resumed.events] == [e.first for e in live.events]
        assert resumed.tracks == live.tracks


@pytest.mark.parametrize(
    "options",
    [
        {"window": 1},
        {"looks": 0},
        {"warm_up": 30},
        {"spike_ratio": 1.0},
        {"norm_ratio": 0.5},
        {"spike_deviations": 0.0},
        {"critic_won": 1.0},
        {"least_change": -1.0},
    ],
)
def test_thresholds_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises((ValueError, InputError), match=next(iter(options))):
        Health(**options)


def test_the_section_says_that_all_is_well() -> None:
    text = "\n".join(section(Health(), _series(60)))
    assert "signals stayed in their ranges." in text
    assert "| spike/painter | at most" in text
    assert "Skipped" not in text
    assert section(Health(), []) == ["Nothing was logged that could be judged."]


def test_the_section_says_what_left_its_range_where_and_what_to_do() -> None:
    lines = _series(60, _ill)
    lines[50]["skipped/generator"] = 3.0
    skipped = {"step": 33, "time": 1.0, "skipped": "painter/p/gan/rf is nan"}
    text = "\n".join(section(Health(), [*lines, skipped]))
    assert "2 of" in text
    assert "a spike: steps 201, 451 |" in text
    assert "critic won: steps 301–591 |" in text
    assert f"**critic won** (level/critic/p/gan/rf): {ADVICE['critic won']}" in text
    assert "Skipped steps: 33. The last one: painter/p/gan/rf is nan" in text
    assert "generator 3" in text


def test_report_and_curves_show_the_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, lines = RunFolder(tmp_path / "run"), _series(60, _ill)
    folder.create(afresh=True)
    folder.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_report("climategan", folder, {"before": {}, "after": {"s/mask_iou": 0.9}, "baseline": {}}, [])
    capsys.readouterr()
    text = folder.report.read_text()
    assert text.index("## Health") < text.index("critic won") < text.index("## Curves")
    draw_curves(lines, tmp_path / "plain.png")
    marked, plain = (cv2.imread(str(path)) for path in (folder.curves, tmp_path / "plain.png"))
    assert (marked != plain).any()
