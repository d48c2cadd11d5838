"""Audit messages have the form of PS3.15 A.5."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cxrshift.audit import Action, AuditRecord, AuditTrail, Outcome, to_xml

AT = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


def test_a_reception_names_sender_study_and_outcome() -> None:
    record = AuditRecord(Action.RECEIVED, "ARCHIVE", "cxrshift", Outcome.SUCCESS, AT, "1.2.3", "10.0.0.7")
    assert to_xml(record).decode() == (
        '<AuditMessage><EventIdentification EventActionCode="C" EventDateTime="2026-01-02T03:04:05.678+00:00" '
        'EventOutcomeIndicator="0"><EventID csd-code="110104" codeSystemName="DCM" '
        'originalText="DICOM Instances Transferred" /></EventIdentification>'
        '<ActiveParticipant UserID="ARCHIVE" UserIsRequestor="true" NetworkAccessPointID="10.0.0.7" '
        'NetworkAccessPointTypeCode="2"><RoleIDCode csd-code="110153" codeSystemName="DCM" '
        'originalText="Source Role ID" /></ActiveParticipant>'
        '<ActiveParticipant UserID="cxrshift" UserIsRequestor="false"><RoleIDCode csd-code="110152" '
        'codeSystemName="DCM" originalText="Destination Role ID" /></ActiveParticipant>'
        '<AuditSourceIdentification AuditSourceID="cxrshift" />'
        '<ParticipantObjectIdentification ParticipantObjectID="1.2.3" ParticipantObjectTypeCode="2" '
        'ParticipantObjectTypeCodeRole="3"><ParticipantObjectIDTypeCode csd-code="110180" codeSystemName="DCM" '
        'originalText="Study Instance UID" /></ParticipantObjectIdentification></AuditMessage>'
    )


@pytest.mark.parametrize("action", list(Action))
def test_every_action_has_its_parts_in_the_standards_order(action: Action) -> None:
    message = ElementTree.fromstring(to_xml(AuditRecord(action, "a", "b", Outcome.MINOR_FAILURE, AT, "1.2")))
    order = [
        "EventIdentification",
        "ActiveParticipant",
        "ActiveParticipant",
        "AuditSourceIdentification",
        "ParticipantObjectIdentification",
    ]
    assert [part.tag for part in message] == order
    assert message[0].get("EventOutcomeIndicator") == "4"


def test_what_a_caller_calls_itself_cannot_break_out_of_its_place(tmp_path: Path) -> None:
    path = tmp_path / "audit.xml"
    for name in ('"><x/>', "a\nb"):
        with AuditTrail(path) as trail:
            trail.write(AuditRecord(Action.RECEIVED, name, "", Outcome.SUCCESS, AT))
    lines = path.read_bytes().splitlines()
    assert len(lines) == 2
    assert [ElementTree.fromstring(line)[1].get("UserID") for line in lines] == ['"><x/>', "a\nb"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_record_that_the_disk_does_not_take_is_told_in_the_log_and_costs_nobody_its_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with AuditTrail(Path("/dev/full")) as trail:
        trail.write(AuditRecord(Action.EXPLAINED, "10.0.0.7", "cxrshift", Outcome.SUCCESS, AT))
    (told,) = caplog.records
    assert (told.message, told.levelname) == ("audit record lost", "ERROR")
