"""The rules see what they should, and nothing where all is said."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from . import names, rules
from .names import Code

ARRAYS = "from torch import Tensor\nPixels = NDArray[np.uint8]\n"
ERRORS = "class Wrong(ValueError):\n    'Something is wrong.'\nclass VeryWrong(Wrong):\n    'Worse.'\n"


@pytest.fixture(autouse=True)
def _sample_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "HELD", ("sample",))


def lacks(source: str, module: str = "sample") -> set[str]:
    """What the rules miss in a module of that source."""
    code = Code({module: ast.parse('"""A sample."""\n' + dedent(source))})
    return {fault.lacks for name in code.public for fault in rules.faults_of(code, name)}


def test_what_has_no_docstring_is_seen() -> None:
    assert lacks("def f(): ...") == {"no docstring"}
    assert lacks("class A:\n    'A.'\n    def f(self): ...") == {"no docstring"}
    assert lacks("def _f(): ...\nclass _A:\n    def f(self): ...") == set()


@pytest.mark.parametrize(
    ("doc", "missing"),
    [
        (
            "Nothing.",
            {"no shape of ``x``", "no dtype of ``x``", "no shape of what it returns", "no dtype of what it returns"},
        ),
        ("``x`` (N, 3) float32.", {"no shape of what it returns"}),
        ("``x`` (N, 3) float32 to (N,) float64.", set()),
        ("(N,) float64 of ``x`` (N, 3) float32.", set()),
        ("(N,) float32. Of ``x`` there is more to say.", {"no shape of ``x``", "no dtype of ``x``"}),
        ("``x`` (that is it) float32 to (N,).", {"no shape of what it returns"}),
        ("``x`` of any shape and any type, to what is of the same shape.", set()),
    ],
)
def test_arrays_have_shapes_and_dtypes(doc: str, missing: set[str]) -> None:
    assert lacks(f"{ARRAYS}def f(x: Tensor) -> Tensor:\n    '{doc}'") == missing


def test_a_dtype_may_be_said_by_the_annotation_alone() -> None:
    assert lacks(f"{ARRAYS}def f(x: Pixels) -> 'Pixels | None':\n    '``x`` (N, M) to (M, N).'") == set()


def test_a_measured_array_has_a_range_or_units() -> None:
    seen = {"no range or units of ``scores``"}
    assert lacks(f"{ARRAYS}def f(scores: Tensor):\n    '``scores`` (N, F) float32.'") == seen
    assert lacks(f"{ARRAYS}def f(scores: Tensor):\n    '``scores`` (N, F) float32 in [0, 1].'") == set()
    assert lacks(f"{ARRAYS}def f(frames: Tensor):\n    '``frames`` (N, F) float32 in model units.'") == set()


def test_a_method_may_be_like_another() -> None:
    source = """
        class A:
            'A.'
            def f(self, x: Tensor):
                '``x`` (N,) float32. Raises ValueError.'
                raise ValueError
        class B:
            'B.'
            def f(self, x: Tensor):
                'As ``A.{method}``.'
                raise ValueError
    """
    assert lacks(source.replace("{method}", "f")) == set()
    unlike = {"no shape of ``x``", "no dtype of ``x``", "raises ValueError without saying so"}
    assert lacks(source.replace("{method}", "g")) == unlike


def test_a_class_may_speak_for_what_its_methods_take_but_not_for_what_they_give() -> None:
    source = """
        class A:
            '``x`` (N,) float32, everywhere.'
            def f(self, x: Tensor) -> Pixels:
                'Nothing.'
        class B:
            'B.'
            def f(self, x: Tensor):
                'As ``A.f``.'
    """
    assert lacks(ARRAYS + source.replace("\n        ", "\n")) == {"no shape of what it returns"}


@pytest.mark.parametrize(
    ("field", "missing"),
    [
        ("x: int", {"no meaning"}),
        ("x: int\n    'The x.'", {"neither range nor units"}),
        ("x: int\n    'Bytes.'", set()),
        ("free_bytes: int\n    'The x.'", set()),
        ("free_bytes: int", {"no meaning"}),
        ("x: float | None = None\n    'In [0, 1].'", set()),
        ("x: tuple[int, int]", {"no meaning"}),
        ("x: NDArray[np.float32]\n    'The x.'", {"no shape"}),
        ("x: Tensor\n    '(N,).'", {"no dtype of it"}),
        ("x: Tensor\n    '(N,) float32.'", set()),
        ("frames: Tensor\n    '(N, H, W) float32.'", {"no range or units of it"}),
        ("x: int = Field(0, description='Seconds.')", set()),
        ("x: str", set()),
        ("x: Callable[[int], float]", set()),
    ],
)
def test_fields_have_meaning_and_units(field: str, missing: set[str]) -> None:
    assert lacks(f"class A:\n    'A.'\n    {field}") == missing


def test_a_class_may_speak_for_its_fields() -> None:
    assert lacks("class A:\n    'How long ``x`` is, in rows.'\n    x: int") == set()
    assert lacks("class A:\n    'Every array is (N,) float32. ``x``: its places.'\n    x: Tensor") == set()
    assert lacks("class A:\n    'Every array is (N,) float32.'\n    x: Tensor") == {"no shape", "no dtype of it"}
    assert lacks("class A:\n    '''Seconds.\n\n    ``x``: until then.'''\n    x: float") == set()


def test_a_number_may_go_by_another_name() -> None:
    assert lacks("Hours = Annotated[float, Field(gt=0)]\nclass A:\n    'A.'\n    x: Hours") == {"no meaning"}


def test_each_field_of_the_library_has_a_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "LIBRARY", ("sample",))
    assert lacks("class A:\n    'A.'\n    x: str") == {"no meaning"}
    assert (
        lacks("class A:\n    'A. ``x``: what it is called.'\n    x: str\nclass B(A):\n    'B.'\n    x = 'b'") == set()
    )


def test_a_constant_number_has_a_meaning() -> None:
    assert lacks("LIMIT = 4 << 10") == {"no meaning"}
    assert lacks("LIMIT = -1.0\n'Of rows.'") == set()
    assert lacks("NAME = 'a'\n_LIMIT = 3\nYES = True") == set()


@pytest.mark.parametrize(
    ("doc", "body", "seen"),
    [
        ("F.", "raise VeryWrong('no')", True),
        ("Raises VeryWrong.", "raise VeryWrong('no')", False),
        ("Raises Wrong.", "raise VeryWrong('no')", False),
        ("Raises VeryWrong.", "raise Wrong", True),
        ("F.", "_helper()", True),
        ("F.", "raise _made()", True),
        ("F.", "try:\n        raise Wrong\n    except ValueError:\n        pass", False),
        ("F.", "try:\n        _helper()\n    except _CAUGHT:\n        pass", False),
        ("F.", "try:\n        _helper()\n    except KeyError:\n        pass", True),
        ("F.", "try:\n        pass\n    except Wrong as error:\n        raise error", True),
        ("F.", "raise AssertionError", False),
        ("F.", "error: Wrong | None = None\n    raise error", True),
        ("F.", "def inner():\n        raise Wrong\n    inner()", True),
        ("F.", "def handed_on():\n        raise Wrong\n    return handed_on", False),
    ],
)
def test_what_is_raised_is_named(doc: str, body: str, seen: bool) -> None:
    helper = "_CAUGHT = (OSError, Wrong)\ndef _helper():\n    raise Wrong\ndef _made() -> Wrong: ...\n"
    found = lacks(f"{ERRORS}{helper}def f():\n    '{doc}'\n    {body}")
    assert any("without saying so" in one for one in found) is seen


def test_an_error_without_a_name_is_spoken_of() -> None:
    assert lacks("def f(error):\n    'F.'\n    raise error") == {"raises an error that is not spoken of"}
    assert lacks("def f(error):\n    'F. Raises ``error``.'\n    raise error") == set()


def test_an_error_that_is_named_exists() -> None:
    assert lacks("def f():\n    'Raises Gone.'") == {"speaks of Gone, which is no error"}
    assert lacks("def f():\n    'It may end in a GoneError.'") == {"speaks of GoneError, which is no error"}
    assert lacks("def f():\n    'Raises OSError, or what else it meets.'") == set()


def test_a_formula_has_a_source() -> None:
    assert lacks("def f():\n    '√(Σ x).'") == {"a formula without a source"}
    assert lacks("def f():\n    '√(Σ x) (arXiv 2102.09475).'") == set()
    assert lacks("def f():\n    '√(Σ x), of Tipping and Bishop, JRSS B 61, 1999.'") == set()
    assert lacks("class A:\n    'docs/method.md.'\n    def f(self):\n        '√(Σ x).'") == set()


def test_what_a_module_of_formulas_computes_has_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "FORMULAS", ("sample",))
    (seen,) = lacks("def f():\n    'The mean.'")
    assert seen.startswith("no source")
    assert lacks("def f():\n    'The mean, by definition.'") == set()


def test_only_the_held_packages_are_looked_at() -> None:
    assert lacks("def f(): ...", "another") == set()


def test_a_float_has_a_range_or_units() -> None:
    seen = {"neither range nor units of ``x``", "neither range nor units of what it returns"}
    assert lacks("def f(x: float) -> float | None:\n    'F.'") == seen
    assert lacks("def f(x: float, seconds: float) -> float:\n    'A share. ``x`` in [0, 1].'") == set()


def test_a_member_of_an_enumeration_has_a_meaning() -> None:
    assert lacks("class A(StrEnum):\n    'A.'\n    X = 'x'") == {"no meaning"}
    assert lacks("class A(StrEnum):\n    'A.'\n    X = 'x'\n    'The x.'") == set()


def test_a_shape_is_found_across_lines_and_counts_once() -> None:
    doc = "'''``x`` (N,\n    3) of any\n    type.'''"
    assert lacks(f"{ARRAYS}def f(x: Tensor) -> Pixels:\n    {doc}") == {"no shape of what it returns"}
