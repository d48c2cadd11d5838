"""Reading TOML strictly: every field is taken by name and type, and a field that nobody takes is an error."""

from __future__ import annotations

import math
import re
from typing import Final, TypeGuard

from ..errors import ManifestError

_MISSING: Final = object()


class Table:
    """One TOML table being read; ``where`` is its place in the file, for messages. All methods raise ManifestError."""

    def __init__(self, values: object, where: str = "") -> None:
        self._where = where
        if not isinstance(values, dict):
            raise ManifestError(f"manifest.toml: {where} must be a table.")
        self._left: dict[str, object] = dict(values)

    def refuse(self, field: str, rule: str) -> ManifestError:
        """The error that says which ``rule`` the value of ``field`` breaks."""
        return ManifestError(f"manifest.toml: {self._name(field)} {rule}.")

    def take(self, field: str, default: object = _MISSING) -> object:
        """The value of ``field`` as it stands."""
        value = self._left.pop(field, default)
        if value is _MISSING:
            raise self.refuse(field, "is missing")
        return value

    def text(self, field: str, pattern: str, rule: str, default: object = _MISSING) -> str:
        """A string that matches ``pattern`` as a whole; ``rule`` says so in words."""
        value = self.take(field, default)
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
            raise self.refuse(field, f"must be {rule}")
        return value

    def integer(self, field: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self.take(field)
        if type(value) is not int or not low <= value <= high:
            raise self.refuse(field, f"must be a whole number from {low} to {high}")
        return value

    def fraction(self, field: str, default: object = _MISSING) -> float:
        """A number from 0 to 1."""
        value = self.take(field, default)
        if not _is_finite(value) or not 0.0 <= value <= 1.0:
            raise self.refuse(field, "must be a number from 0 to 1")
        return float(value)

    def interval(self, field: str) -> tuple[float, float]:
        """Two finite numbers of any units, the lower first."""
        value = self.take(field)
        if isinstance(value, list) and len(value) == 2:
            low, high = value
            if _is_finite(low) and _is_finite(high) and low < high:
                return float(low), float(high)
        raise self.refuse(field, "must be two finite numbers, the lower first")

    def optional(self, field: str, low: float, high: float) -> float | None:
        """A number from ``low`` to ``high``, in units of its own; None where it is not there."""
        value = self.take(field, None)
        if value is None:
            return None
        if not _is_finite(value) or not low <= value <= high:
            raise self.refuse(field, f"must be a number from {low:g} to {high:g}")
        return float(value)

    def flag(self, field: str, default: object = _MISSING) -> bool:
        """A boolean."""
        value = self.take(field, default)
        if not isinstance(value, bool):
            raise self.refuse(field, "must be true or false")
        return value

    def rows(self, field: str) -> list[Table]:
        """An array of one table or more."""
        value = self.take(field)
        if not isinstance(value, list) or not value:
            raise self.refuse(field, f"must be an array of tables, [[{field}]], and hold one at least")
        return [Table(row, f"{self._name(field)}[{i}]") for i, row in enumerate(value)]

    def table(self, field: str) -> Table | None:
        """A table; None where there is none."""
        inner = self.take(field, None)
        return None if inner is None else Table(inner, self._name(field))

    def tables(self, field: str) -> dict[str, Table]:
        """A table of tables; empty where there is none."""
        inner = self.take(field, {})
        if not isinstance(inner, dict):
            raise self.refuse(field, "must be a table of tables")
        return {str(name): Table(values, f"{self._name(field)}.{name}") for name, values in inner.items()}

    def arguments(self) -> dict[str, int | float | str | bool | tuple[float, ...]]:
        """All that is left, each a number in units of its own, several, a string or true or false."""
        taken: dict[str, int | float | str | bool | tuple[float, ...]] = {}
        for field in list(self._left):
            value = self.take(field)
            if isinstance(value, str | bool) or _is_finite(value):
                taken[field] = value
            elif isinstance(value, list) and value and all(map(_is_finite, value)):
                taken[field] = tuple(map(float, value))
            else:
                raise self.refuse(field, "must be a finite number, an array of them, a string, true or false")
        return taken

    def close(self) -> None:
        """Refuse what nobody took: a misspelt optional field would otherwise be silently its default."""
        if self._left:
            raise self.refuse(sorted(self._left)[0], "is not a field that this version knows")

    def _name(self, field: str) -> str:
        return f"{self._where}.{field}" if self._where else field


def _is_finite(value: object) -> TypeGuard[int | float]:
    return type(value) is int or (type(value) is float and math.isfinite(value))
