"""The report: a table that reads well, curves of every term, links that lead somewhere."""

import json
from pathlib import Path

import cv2
import numpy as np

from recipes.folder import RunFolder
from recipes.report import draw_curves, format_table, write_report

TABLE = {
    "before": {"s/mask_iou": 0.1, "s/depth_abs_rel": 0.5},
    "after": {"s/mask_iou": 0.9, "s/depth_abs_rel": 0.2},
    "baseline": {"s/mask_iou": 0.6, "s/depth_abs_rel": 0.3},
}


def test_arrows_point_to_the_better_side() -> None:
    text = format_table(TABLE)
    assert "s/mask_iou ↑" in text
    assert "s/depth_abs_rel ↓" in text
    assert len({len(line) for line in text.splitlines()}) == 1


def test_curves_of_few_or_no_records(tmp_path: Path) -> None:
    for records in ([], [{"step": 1, "time": 0.1, "masker/m/bce/s": 0.7, "critic/p/gan/rf": -0.2}]):
        draw_curves(records, tmp_path / "curves.png")
        assert cv2.imread(str(tmp_path / "curves.png")).std() > 0


def test_the_report_shows_the_last_sample_and_every_event(tmp_path: Path, capsys) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(afresh=True)
    folder.append_metrics({"step": 20, "time": 60.0, "masker/m/bce/s": 0.5})
    for name in ("step_000010.png", "step_000020.png"):
        cv2.imwrite(str(folder.samples / name), np.zeros((4, 4, 3), np.uint8))
    events = [folder.events / f"r_{i:02d}_{name}.png" for i in range(2) for name in ("flood", "smog")]
    write_report("climategan", folder, TABLE, events)
    text = folder.report.read_text()
    assert "20 steps, 1.0 minutes" in text
    assert "samples/step_000020.png" in text
    assert "samples/step_000010.png" not in text
    assert all(f"events/{path.name}" in text for path in events)
    assert json.loads(folder.final.read_text()) == TABLE
    assert format_table(TABLE) in capsys.readouterr().out


def test_a_half_written_line_of_metrics_is_dropped(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for step in (1, 2, 3):
        folder.append_metrics({"step": step})
    with folder.metrics.open("a") as file:
        file.write('{"step": 4, "ti')
    assert [record["step"] for record in folder.read_metrics()] == [1, 2, 3]
    folder.rewind(2)
    assert folder.metrics.read_text() == '{"step": 1}\n{"step": 2}\n'
