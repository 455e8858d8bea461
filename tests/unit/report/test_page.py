"""A page is whole whatever a plant calls its tags."""

import html
import json
import re

from procwm.report.page import Figure, Page, PageTable, Section, render

EVIL = "<!--<script>x</script>\u2028&amp;\x1b[2J"


def page() -> str:
    return render(
        Page(
            title=EVIL,
            kicker=EVIL,
            headline=EVIL,
            lead=EVIL,
            tiles=[(EVIL, EVIL)],
            warning=EVIL,
            sections=[
                Section(
                    heading=EVIL,
                    paragraphs=[EVIL],
                    bullets=[EVIL],
                    tables=[PageTable(columns=[EVIL], rows=[[EVIL]])],
                    figures=[Figure(data=[{"name": EVIL}], layout={"height": 1}, caption=EVIL)],
                )
            ],
        )
    )


def test_no_text_ends_or_hides_the_script_that_holds_the_figures() -> None:
    text = page()
    (data,) = re.findall(r"<script type=application/json id=figure-1-data>(.*?)</script>", text, re.DOTALL)
    assert not re.search("[<>&\u2028\u2029]", data)
    assert json.loads(data)["data"] == [{"name": EVIL}]
    assert text.rstrip().endswith("</html>")


def test_texts_are_shown_as_they_are_and_command_nothing() -> None:
    body = page().split("<body>")[1]
    written = html.escape(EVIL.replace("\x1b", r"\x1b").replace("\u2028", r"\u2028"), quote=False)
    assert body.count(written) == 12
    assert "\x1b" not in body
    assert "<!--" not in body
