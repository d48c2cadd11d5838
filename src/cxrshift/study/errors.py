"""What can be wrong with a study, for whoever runs it.

CxrshiftError
└── StudyTrouble
    ├── StudyFileError      the file is missing, is none, or already holds what is to be put into it
    ├── CaseTableError      the table of cases is malformed or contradicts itself
    ├── ReaderError         no such reader, or one of that name already
    └── AnswerError         an answer that does not fit where the reader stands
        └── MovedOn         to a case that is not the reader's present one
"""

from __future__ import annotations

from ..errors import CxrshiftError


class StudyTrouble(CxrshiftError):
    """The root of a study's errors."""


class StudyFileError(StudyTrouble):
    """The study's file is missing, is no study, or already holds what is to be put into it."""


class CaseTableError(StudyTrouble):
    """A table of cases or of readings is malformed or contradicts itself."""


class ReaderError(StudyTrouble):
    """No reader of that name, or one already."""


class AnswerError(StudyTrouble):
    """An answer that is out of its range or incomplete."""


class MovedOn(AnswerError):
    """An answer to a case that is not the reader's present one: another window went on."""
