"""Each public name has a docstring with shapes, dtypes, ranges, errors and source.

Public is each name without a leading underscore, of each module without one, of all that the wheel installs: the
functions, classes, methods, fields and constants that a program can import. Only the command's own package is left out,
whose docstrings are help texts. ``rules`` says what each must say, ``wording`` by which words it is known.
"""

from __future__ import annotations

from importlib import import_module

import pytest

from .names import HELD, Code, Kind, offered
from .rules import FOREIGN, FORMULAS, faults_of

EXEMPT = {
    "cxrshift.gateway.oip.tensors.strings": "its helper refuses a shape that is not the elements' own",
}
"""Public name -> why the rules do not fit it."""


@pytest.mark.parametrize("package", HELD)
def test_each_public_name_says_what_it_must(code: Code, package: str) -> None:
    own = [name for name in code.public if f"{name.module}.".startswith(f"{package}.")]
    assert own
    faults = [fault for name in own if str(name) not in EXEMPT for fault in faults_of(code, name)]
    assert not faults, "\n".join(map(str, faults))


@pytest.mark.parametrize("package", ["cxrshift", "cxrshift_client", "cxrshift.phantom", "cxrshift.image.decode"])
def test_what_a_package_offers_is_held(code: Code, package: str) -> None:
    """A name in ``__all__`` is a public name of the module that it comes from."""
    held = {name.path for name in code.public if name.kind is not Kind.MODULE}
    names = set(offered(code.modules[package])) - {"__version__"}
    assert names
    assert names <= held


def test_each_exemption_is_needed(code: Code) -> None:
    faulty = {str(name) for name in code.public if str(name) in EXEMPT and faults_of(code, name)}
    assert set(EXEMPT) <= faulty


@pytest.mark.parametrize("error", FOREIGN)
def test_each_foreign_error_exists(error: str) -> None:
    assert issubclass(getattr(import_module(FOREIGN[error]), error), Exception)


def test_each_module_of_formulas_exists(code: Code) -> None:
    assert set(FORMULAS) <= set(code.modules)
