"""Pages as Chromium shows them: nothing scrolls sideways, nothing lies over anything else."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from report_cases import control_report

from procwm.report import build_report

CHROMIUM = shutil.which("chromium")
MEASURE = """<script>addEventListener('load', () => setTimeout(() => {
  const box = it => { const {left, right, top, bottom} = it.getBoundingClientRect();
    return {left, right, top, bottom}; };
  const all = (where, what) => [...where.querySelectorAll(what)].map(box);
  const found = {wide: document.documentElement.scrollWidth, window: innerWidth,
    paper: getComputedStyle(document.body).backgroundColor,
    tiles: all(document, '.tile'), strip: box(document.querySelector('.tiles')),
    figures: [...document.querySelectorAll('figure')].map(figure => ({
      legend: all(figure, '.legend button'), titles: all(figure, '.annotation'),
      buttons: all(figure, '.modebar'), chart: box(figure.querySelector('.chart')),
      ticks: all(figure, '.ytick text')}))};
  const out = document.createElement('pre'); out.id = 'found'; out.textContent = JSON.stringify(found);
  document.body.append(out);
}, 500));</script></body>"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="looked at where there is Chromium")


def shown(folder: Path, width: int, *, dark: bool = False) -> dict[str, Any]:
    """Where things are on the page, in a frame of `width`: no window is that narrow."""
    assert CHROMIUM is not None
    page = build_report(control_report()).replace("</body>", MEASURE)
    frame = (
        f'<body style="margin:0"><iframe id=it srcdoc="{html.escape(page)}" '
        f'style="width:{width}px;height:5000px;border:0"></iframe><script>addEventListener("load", () => '
        "setTimeout(() => { document.body.append(Object.assign(document.createElement('pre'), {id: 'told', "
        "textContent: it.contentDocument.getElementById('found').textContent})); it.remove(); }, 1500));"
        "</script></body>"
    )
    path = folder / "frame.html"
    path.write_text(frame, encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000"]
    command += ["--window-size=1200,2000", f"--user-data-dir={folder / 'profile'}"]
    command += ["--blink-settings=preferredColorScheme=0"] if dark else []
    told = subprocess.run(
        [*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=240, check=True
    ).stdout
    (found,) = re.findall(r'<pre id="told">(.*?)</pre>', told, re.DOTALL)
    place: dict[str, Any] = json.loads(html.unescape(found))
    return place


def apart(one: dict[str, float], other: dict[str, float]) -> bool:
    return (
        one["right"] <= other["left"] + 1
        or other["right"] <= one["left"] + 1
        or one["bottom"] <= other["top"] + 1
        or other["bottom"] <= one["top"] + 1
    )


@pytest.mark.parametrize("width", [400, 500, 800, 1060])
def test_nothing_scrolls_sideways_or_overlaps_and_no_tile_is_empty(tmp_path: Path, width: int) -> None:
    found = shown(tmp_path, width)
    assert found["wide"] <= width
    assert found["paper"] == "rgb(255, 255, 255)"
    assert found["figures"]
    for figure in found["figures"]:
        assert figure["legend"]
        assert figure["titles"]
        for title in figure["titles"]:
            assert title["right"] <= figure["chart"]["right"] + 1
            assert all(apart(title, entry) for entry in (*figure["legend"], *figure["buttons"]))
            assert all(apart(title, tick) for tick in figure["ticks"])
        assert all(entry["right"] <= width for entry in figure["legend"])
    for tile in found["tiles"]:
        row = [other for other in found["tiles"] if other["top"] == tile["top"]]
        assert max(other["right"] for other in row) == pytest.approx(found["strip"]["right"] - 1, abs=1)


def test_a_page_is_dark_where_the_reader_wants_it_dark(tmp_path: Path) -> None:
    assert shown(tmp_path, 800, dark=True)["paper"] == "rgb(20, 24, 28)"
