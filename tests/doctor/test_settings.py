"""Environment variables and certificates that are right, wrong, unknown or about to run out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from cxrshift.doctor.certificates import check_certificate, check_certificates
from cxrshift.doctor.checks import Check, State
from cxrshift.doctor.variables import check_variables


def look(**environment: str) -> dict[str, Check]:
    return {check.name: check for check in check_variables({f"CXRSHIFT_{k}": v for k, v in environment.items()})}


def test_no_variable_is_as_good_as_sound_ones() -> None:
    assert [check.state for check in look().values()] == [State.OK]
    told = look(REST_PORT="9000", MODELS='["phantom"]', SERVER="http://h:8000")["environment"]
    assert (told.state, told.found) == (
        State.OK,
        "3 set and sound: CXRSHIFT_MODELS, CXRSHIFT_REST_PORT, CXRSHIFT_SERVER",
    )


def test_an_unknown_variable_is_told_with_the_nearest_known_one() -> None:
    told = look(RESTPORT="9000", WHATEVER="x", REST_PORT="9000")
    assert (told["CXRSHIFT_RESTPORT"].state, told["CXRSHIFT_RESTPORT"].remedy) == (
        State.WARN,
        "Do you mean CXRSHIFT_REST_PORT?",
    )
    assert "command-line.md" in told["CXRSHIFT_WHATEVER"].remedy


def test_what_kubernetes_sets_is_no_mistake() -> None:
    names = ("GATEWAY_SERVICE_HOST", "GATEWAY_SERVICE_PORT_REST", "GATEWAY_PORT_8000_TCP_ADDR", "GATEWAY_PORT")
    assert look(**dict.fromkeys(names, "tcp://10.0.0.1:80"))["environment"].state is State.SKIP
    assert look(GATEWAY_PORT="80")["CXRSHIFT_GATEWAY_PORT"].state is State.WARN


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [("REST_PORT", "hush-hush", "8000"), ("MODELS", "hush-hush", '["one", "two"]'), ("QUEUE", "-1", "64")],
)
def test_a_value_that_the_gateway_would_not_start_with_fails_and_is_not_repeated(
    name: str, value: str, remedy: str
) -> None:
    check = look(**{name: value})[f"CXRSHIFT_{name}"]
    assert check.state is State.FAIL
    assert remedy in check.remedy
    assert "hush" not in check.found + check.remedy


def test_settings_that_contradict_each_other_fail(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").touch()
    check = look(TLS_CERTIFICATE=str(tmp_path / "tls.crt"))["the gateway's settings"]
    assert (check.state, "tls_key go together" in check.found) == (State.FAIL, True)


def test_a_file_that_a_variable_names_must_be_there(tmp_path: Path) -> None:
    told = look(TOKEN_FILE=str(tmp_path / "none"), MODEL_STORE=str(tmp_path), CA_FILE=str(tmp_path))
    assert told["CXRSHIFT_TOKEN_FILE"].state is told["CXRSHIFT_CA_FILE"].state is State.FAIL
    assert str(tmp_path / "none") in told["CXRSHIFT_TOKEN_FILE"].found
    assert "CXRSHIFT_MODEL_STORE" not in told


# ---- certificates ----


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


def written(folder: Path, ca: trustme.CA, until: datetime) -> tuple[Path, Path]:
    made = ca.issue_cert("localhost", not_after=until)
    made.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    made.private_key_pem.write_to_path(folder / "tls.key")
    return folder / "tls.crt", folder / "tls.key"


@pytest.mark.parametrize(
    ("days", "state", "told"),
    [(200, State.OK, "days left"), (12, State.WARN, "12 days left"), (-3, State.FAIL, "ran out")],
)
def test_a_certificates_days_are_counted(tmp_path: Path, ca: trustme.CA, days: int, state: State, told: str) -> None:
    now = datetime.now(UTC)
    certificate, _ = written(tmp_path, ca, now + timedelta(days=300))
    check = check_certificate("CXRSHIFT_TLS_CERTIFICATE", certificate, now + timedelta(days=300 - days, minutes=-1))
    assert (check.state, told in check.found) == (state, True)


def test_a_certificate_that_is_none_or_not_valid_yet_fails(tmp_path: Path, ca: trustme.CA) -> None:
    (tmp_path / "junk").write_text("junk")
    assert check_certificate("X", tmp_path / "junk", datetime.now(UTC)).state is State.FAIL
    certificate, _ = written(tmp_path, ca, datetime.now(UTC) + timedelta(days=9))
    early = check_certificate("X", certificate, datetime(1990, 1, 1, tzinfo=UTC))
    assert (early.state, early.remedy) == (State.FAIL, "See that the clock is right.")


def test_a_key_must_be_the_certificates(tmp_path: Path, ca: trustme.CA) -> None:
    until = datetime.now(UTC) + timedelta(days=300)
    certificate, key = written(tmp_path, ca, until)
    given = {"CXRSHIFT_TLS_CERTIFICATE": str(certificate), "CXRSHIFT_TLS_KEY": str(key)}
    assert [check.state for check in check_certificates(given)] == [State.OK, State.OK]
    ca.issue_cert("other").private_key_pem.write_to_path(key)
    assert [check.state for check in check_certificates(given)] == [State.OK, State.FAIL]
    key.write_text("junk")
    assert [check.state for check in check_certificates(given)] == [State.OK, State.FAIL]


def test_no_tls_is_told_and_no_fault() -> None:
    assert [check.state for check in check_certificates({})] == [State.SKIP]
