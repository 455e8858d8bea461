"""The public surface of the package."""

import subprocess
import sys

import procwm


def test_the_public_names_are_sorted_and_each_once() -> None:
    assert procwm.__all__ == sorted(set(procwm.__all__))


def test_every_public_name_is_there() -> None:
    missing = [name for name in procwm.__all__ if not hasattr(procwm, name)]
    assert not missing
    assert set(procwm.__all__) <= set(dir(procwm))


def test_every_public_name_is_declared_and_nothing_else_is_loaded() -> None:
    assert set(procwm._HOMES) <= set(procwm.__all__)


def test_every_public_name_explains_itself() -> None:
    silent = [name for name in procwm.__all__ if not (getattr(procwm, name).__doc__ or "").strip()]
    assert not silent


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(procwm, "no_such_name")


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    heavy = ("torch", "casadi", "pandas", "pyarrow", "asyncua", "plotly", "scipy")
    code = f"import sys, procwm.cli; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
