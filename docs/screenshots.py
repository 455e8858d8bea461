"""Takes the pictures of pages that the documents show: `python docs/screenshots.py NAME=PAGE.html...`.

Each becomes docs/images/NAME.png, the top of the page as wide as a desktop's. Needs Chromium.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
_WIDTH, _HEIGHT, _SCALE = 1060, 1365, 0.8


def screenshot(page: Path, image: Path) -> None:
    """Write the top of `page`, by day, as a PNG file."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("there is no chromium on the path")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--force-device-scale-factor={_SCALE}",
                f"--window-size={_WIDTH},{_HEIGHT}",
                "--virtual-time-budget=6000",
                f"--user-data-dir={profile}",
                f"--screenshot={image}",
                page.resolve().as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=300,
        )


if __name__ == "__main__":
    for pair in sys.argv[1:]:
        name, _, source = pair.partition("=")
        screenshot(Path(source), IMAGES / f"{name}.png")
