"""What a passive log is worth, as a table."""

from procwm_studies.model.pretraining import ORDER, report


def test_a_report_has_a_line_for_every_length_and_kind_of_learning() -> None:
    rows = [
        {"plant": "p", "hours": hours, "passive_hours": 0.0 if kind == "alone" else 100.0, "seed": seed}
        | {"learning": kind, "horizon": lead, "nrmse": 0.1 * hours, "linear": 0.5, "train_s": 9.0}
        for hours in (1.0, 2.0)
        for kind in (ORDER if hours == 1.0 else ORDER[:1])
        for seed in (0, 1)
        for lead in (1, 5, 20)
    ]
    text = report(rows, "procwm bench pretraining --out DIR")
    assert "100 h of passive log" in text
    start, model = ("0.500 ± 0.000 | " * 3, "0.200 ± 0.000 | " * 3)
    assert f"| 2 h | alone | {start}{model}9 ± 0 |" in text
    assert text.count("| passive |") == text.count("| pretrained |") == 1
