"""What report.md says of a run's health."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from recipes.health import Health, Track

#: What each state usually means, and what to do.
ADVICE = {
    "a spike": "one bad batch, or a rate at the edge of stability. One alone passes; many ask for a "
    "lower learning rate, or clipped gradients.",
    "critic won": "it has nothing left to learn, and the generator gets little to learn from. Lower the "
    "critic's learning rate, smooth labels, or add a penalty or augmentation.",
    "critic lost": "it does worse than a critic that knows nothing. Lower the generator's learning rate, "
    "or raise the critic's.",
    "generator starved": "its gradient is a hundredth of the critic's. Lower the critic's learning rate, or "
    "raise the weights of the generator's terms.",
    "critic starved": "its gradient is a hundredth of the generator's. Raise the critic's learning rate, or "
    "clip the generator's gradients.",
    "standing still": "the part is dead or frozen: outputs are saturated, or its learning rate is 0. Lower "
    "the rate and start again from an earlier checkpoint.",
    "collapsing": "painted water looks alike in every picture (mode collapse). Go back to an earlier "
    "checkpoint, lower the learning rates, or augment what the critic sees.",
    "scattered": "painted water differs more than real water, often because it is noise. Train longer; "
    "weigh perceptual and matching terms higher.",
    "critic mistaken": "it takes painted water for the real one. Its learning rate is too low, or the painter "
    "has found a blind spot: augment what it sees.",
    "critic certain": "it tells painted from real everywhere. Normal early on; later smooth labels, add a "
    "penalty, or lower its learning rate.",
    "all dry": "the masker predicts no water. Lower the weights of mask entropy and total variation, "
    "and look at the masks of the lists.",
    "all wet": "the masker floods everything. Look at the masks of the lists, and at the weight of "
    "ground intersection.",
    "mask flat": "the mask says the same everywhere. Train longer; lower the learning rate if it had "
    "shapes before.",
    "one class": "the segmentation sees one class only. Look at the label maps, or lower the learning rate.",
    "depth flat": "depth is the same everywhere. Look at the depth files, or lower the learning rate.",
}


def section(health: Health, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of Markdown, from what was logged; ``health`` is left as replaying the records leaves it."""
    health.replay(records)
    tracks = {name: t for name, t in health.tracks.items() if t.spans or not name.startswith("still/")}
    if not health.tracks:
        return ["Nothing was logged that could be judged.", *_skipped(records)]
    left = {name: track for name, track in tracks.items() if track.spans}
    if not left:
        brief = any(track.range.status(track.worst) != "healthy" for track in tracks.values())
        aside = ", moments too short to judge aside" if brief else ""
        lines = [f"All {len(health.tracks)} signals stayed in their ranges{aside}."]
    else:
        lines = [f"{len(left)} of {len(health.tracks)} signals left their ranges."]
    lines += ["", "| signal | healthy | worst | left its range |", "|:---|:---|---:|:---|"]
    # Those that left first.
    for name, track in sorted(tracks.items(), key=lambda entry: not entry[1].spans):
        worst = f"{track.worst:.3g} (step {track.worst_step})"
        lines.append(f"| {name} | {_range(name, track)} | {worst} | {_where(track)} |")
    still = sum(name.startswith("still/") and not track.spans for name, track in health.tracks.items())
    if still:
        lines += ["", f"None of {still} more losses stood still."]
    for state in dict.fromkeys(state for track in left.values() for *_, state in track.spans):
        names = ", ".join(name for name, track in left.items() if any(s == state for *_, s in track.spans))
        lines += ["", f"**{state}** ({names}): {ADVICE.get(state, 'outside the range of this signal.')}"]
    return [*lines, *_skipped(records)]


def _range(name: str, track: Track) -> str:
    low, high = track.range.low, track.range.high
    if math.isinf(low):
        return f"at most {high:.3g}" + (" at that step" if name.startswith("spike/") else "")
    return f"at least {low:.3g}" if math.isinf(high) else f"{low:.3g} to {high:.3g}"


def _where(track: Track, most: int = 4) -> str:
    if not track.spans:
        return "–" if track.range.status(track.worst) == "healthy" else "not for long"
    spans = [f"{a}" if a == b else f"{a}–{b}" for a, b, _ in track.spans]
    more = f" and {len(spans) - most} more times" if len(spans) > most else ""
    states = ", ".join(dict.fromkeys(state for *_, state in track.spans))
    word = "step" if len(track.spans) == 1 and track.spans[0][0] == track.spans[0][1] else "steps"
    return f"{states}: {word} {', '.join(spans[:most])}{more}"


def _skipped(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Steps that were not taken: those that a line of their own tells of, and what the players counted."""
    steps = [record["step"] for record in records if "skipped" in record]
    lines = []
    if steps:
        shown = ", ".join(map(str, steps[:8])) + (f" and {len(steps) - 8} more" if len(steps) > 8 else "")
        reason = next(record["skipped"] for record in reversed(records) if "skipped" in record)
        lines += ["", f"Skipped steps: {shown}. The last one: {reason}"]
    counts = {
        key.removeprefix("skipped/"): max(r[key] for r in records if key in r)
        for key in sorted({key for record in records for key in record if key.startswith("skipped/")})
    }
    if any(counts.values()):
        told = ", ".join(f"{player} {count:g}" for player, count in counts.items())
        lines += [
            "",
            f"Updates skipped for gradients that were not finite, as fp16's scaling expects: {told}.",
        ]
    return lines
