"""Codes and sessions: what opens a study, and what the file keeps of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cxrshift.study.codes import ALPHABET, make_code
from cxrshift.study.database import Database
from cxrshift.study.errors import ReaderError
from cxrshift.study.people import (
    SESSION_SECONDS,
    add_person,
    close_session,
    find_session,
    list_people,
    open_session,
    renew_code,
    revoke_code,
)
from cxrshift.study.readings import find_place, list_readings, submit_answer
from cxrshift.study.records import Answer, Role
from cxrshift.study.tries import AT_ONCE, SECONDS_EACH, Tries
from tests.study.studies import build_study, make_study


def test_codes_are_random_and_made_of_letters_that_nobody_misreads() -> None:
    codes = {make_code() for _ in range(2000)}
    assert len(codes) == 2000
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}", code) for code in codes)
    used = {letter for code in codes for letter in code} - {"-"}
    assert used == set(ALPHABET)


def test_a_code_opens_the_study_however_it_is_typed_and_is_kept_nowhere(tmp_path: Path) -> None:
    with Database(make_study(tmp_path, 2)) as database:
        new = add_person(database, "R1")
        letters = new.code.replace("-", "")
        for typed in (new.code, letters.lower(), f" {new.code} ", letters.replace("1", "l").replace("0", "o")):
            opened = open_session(database, typed)
            assert opened is not None
            assert opened[0] == new.person
            assert find_session(database, opened[1]) == new.person
            token = opened[1]
        for wrong in ("", "x", new.code[:-1], new.code + "2", make_code()):
            assert open_session(database, wrong) is None
        database.tidy()
    held = database.path.read_bytes()
    assert not any(secret.encode() in held for secret in (new.code, letters, letters.lower(), token))


def test_every_study_has_a_salt_of_its_own(tmp_path: Path) -> None:
    hashes = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with Database(build_study(tmp_path / name, 2)) as database, database.reading() as connection:
            hashes.add(bytes(connection.execute("SELECT salt FROM study").fetchone()[0]))
    assert [len(salt) for salt in hashes] == [16, 16]


def test_a_session_ends_by_logging_out_by_rest_and_with_its_code(tmp_path: Path) -> None:
    with Database(make_study(tmp_path, 2)) as database:
        code = add_person(database, "R1").code

        def enter() -> str:
            opened = open_session(database, code)
            assert opened is not None
            return opened[1]

        left = enter()
        close_session(database, left)
        assert find_session(database, left) is None
        old = enter()
        with database.writing() as connection:
            connection.execute("UPDATE sessions SET seen_at = seen_at - ?", (SESSION_SECONDS + 1,))
        assert find_session(database, old) is None
        running = enter()
        renewed = renew_code(database, "R1")
        assert find_session(database, running) is None
        assert open_session(database, code) is None
        code = renewed.code
        running = enter()
        revoke_code(database, "R1")
        assert find_session(database, running) is None
        assert open_session(database, code) is None


def test_a_reader_whose_code_was_renewed_goes_on_where_he_was(tmp_path: Path) -> None:
    with Database(make_study(tmp_path, 4)) as database:
        add_person(database, "R1")
        after = submit_answer(database, 1, "0.0", Answer(3, 3))
        revoke_code(database, "R1")
        renew_code(database, "R1")
        assert find_place(database, 1) == after
        assert len(list_readings(database)) == 1


def test_names_are_told_apart_and_administrators_read_nothing(tmp_path: Path) -> None:
    with Database(make_study(tmp_path, 2)) as database:
        add_person(database, "")
        add_person(database, "me", Role.ADMIN)
        assert [(p.number, p.name, p.role) for p in list_people(database)] == [(1, "1", "reader"), (2, "me", "admin")]
        assert find_place(database, 2) is None
        for name in ("me", " R1", "R\n1", "x" * 65):
            with pytest.raises(ReaderError):
                add_person(database, name)
        with pytest.raises(ReaderError, match="no R9"):
            revoke_code(database, "R9")
        assert len(list_people(database)) == 2


def test_wrong_codes_are_limited_for_each_address() -> None:
    now = [100.0]
    tries = Tries(lambda: now[0])
    for _ in range(AT_ONCE):
        assert tries.wait("a") == 0.0
        tries.fail("a")
    assert tries.wait("a") == pytest.approx(SECONDS_EACH)
    assert tries.wait("b") == 0.0
    now[0] += SECONDS_EACH
    assert tries.wait("a") == 0.0
    tries.fail("a")
    assert tries.wait("a") == pytest.approx(SECONDS_EACH)
    now[0] += AT_ONCE * SECONDS_EACH
    for _ in range(AT_ONCE):
        assert tries.wait("a") == 0.0
        tries.fail("a")
    assert tries.wait("a") > 0.0
