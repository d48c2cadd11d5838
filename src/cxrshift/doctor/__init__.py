"""Whether cxrshift can work on this machine, and what to do where it cannot. Needs the client's packages alone."""

from .checks import Check, Report, State
from .examination import Plan, examine, subjects

__all__ = ["Check", "Plan", "Report", "State", "examine", "subjects"]
