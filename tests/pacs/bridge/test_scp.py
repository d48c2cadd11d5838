"""C-ECHO and C-STORE as a modality makes them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from cxrshift.errors import CodedError
from cxrshift.image.decode import decode_radiograph
from cxrshift.image.dicom import TRANSFER_SYNTAXES
from cxrshift.image.libraries import silence
from cxrshift.pacs.bridge.arrivals import read_arrival
from cxrshift.pacs.bridge.intake import Intake, StoreStatus
from cxrshift.pacs.bridge.scp import StorageScp
from cxrshift.pacs.bridge.spool_records import State
from cxrshift.pacs.results import make_objects
from tests.pacs.bridge.conftest import Desk
from tests.pacs.bridge.examples import AE_TITLE, CALLER, make_settings
from tests.pacs.sources import source_file
from tests.render.examples import make_explanation

STORAGE = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}
CR, SC, CT = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def raw_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file be sent as its bytes are, whatever is in it."""
    monkeypatch.setattr("pynetdicom._config.STORE_SEND_CHUNKED_DATASET", True)


@pytest.fixture
def scp(desk: Desk) -> Iterator[StorageScp]:
    assert desk.settings.scp
    with StorageScp(desk.settings.scp, desk.intake, desk.audit) as running:
        yield running


def associate(scp: StorageScp, classes: Sequence[str], *, calling: str = CALLER, called: str = AE_TITLE) -> Any:
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
    for each in classes:
        entity.add_requested_context(each, ExplicitVRLittleEndian)
    return entity.associate("127.0.0.1", scp.port, ae_title=called)


def store(scp: StorageScp, *files: bytes) -> list[int]:
    """The statuses of files that are sent over one association."""
    datasets = [dcmread(io.BytesIO(content)) for content in files]
    association = associate(scp, sorted({str(d.SOPClassUID) for d in datasets}))
    assert association.is_established
    statuses = [int(association.send_c_store(dataset).Status) for dataset in datasets]
    association.release()
    return statuses


def test_it_answers_an_echo(scp: StorageScp) -> None:
    association = associate(scp, [Verification])
    assert association.send_c_echo().Status == 0x0000
    association.release()


@pytest.mark.parametrize("who", [{"calling": "STRANGER"}, {"called": "ANOTHER"}])
def test_who_is_not_on_the_list_is_turned_away_and_that_is_recorded(
    scp: StorageScp, desk: Desk, who: dict[str, str]
) -> None:
    association = associate(scp, [Verification], **who)
    assert association.is_rejected
    [line] = desk.audited().splitlines()
    assert "Security Alert" in line
    assert f'UserID="{who.get("calling", CALLER)}"' in line


def test_a_radiograph_is_taken_once_and_is_on_disk_as_it_was_sent(scp: StorageScp, desk: Desk) -> None:
    sent = source_file()
    assert store(scp, sent, sent) == [0x0000, 0x0000]
    [job] = desk.spool.due(10)
    assert (job.caller, job.rule, job.study_instance_uid) == (CALLER, "films", "1.2.3.1")
    kept = dcmread(io.BytesIO(desk.spool.source(job)))
    assert kept == dcmread(io.BytesIO(sent))
    assert (desk.count("dimse", "new"), desk.count("dimse", "known")) == (1, 1)
    assert len(desk.news) == 1
    assert desk.audited().count('ParticipantObjectID="1.2.3.1"') == 2
    assert 'NetworkAccessPointID="127.0.0.1"' in desk.audited()


def test_what_no_rule_wants_is_taken_and_not_kept(scp: StorageScp, desk: Desk) -> None:
    scan = source_file(SOPClassUID=CT, Modality="CT")
    assert store(scp, scan) == [0x0000]
    assert (desk.spool.count(State.WAITING), desk.spool.count(State.IGNORED)) == (0, 1)


def test_own_results_do_not_come_round_again(scp: StorageScp, desk: Desk) -> None:
    results = [made.content for made in make_objects(source_file(), [make_explanation()])]
    every_modality = make_settings(Path("/x"), rules=[{"name": "all", "send_to": ["archive"]}])
    for content in results:
        assert read_arrival(content, CALLER).is_own
        assert read_arrival(content, CALLER).choose_rule(every_modality.rules)
        with pytest.raises(CodedError, match="itself an explanation"):
            decode_radiograph(content)
    assert store(scp, *results) == [0x0000] * 3
    assert (desk.spool.count(State.WAITING), desk.spool.count(State.IGNORED)) == (0, 3)


def test_an_object_that_is_not_what_was_announced_is_refused(desk: Desk) -> None:
    status, _ = desk.intake.take(source_file(), CALLER, "dimse", announced="1.2.3.99")
    assert status is StoreStatus.DOES_NOT_MATCH
    assert desk.spool.count(State.WAITING) == 0


def test_what_cannot_be_understood_becomes_a_dead_letter(
    scp: StorageScp, desk: Desk, tmp_path: Path, raw_sending: None
) -> None:
    path = tmp_path / "broken.dcm"
    path.write_bytes(source_file()[:-70_000].replace(b"\x08\x00\x18\x00UI", b"\x08\x00\x18\x00U?"))
    association = associate(scp, [CR])
    assert association.send_c_store(path).Status == 0xC000
    assert association.send_c_store(dcmread(io.BytesIO(source_file()))).Status == 0x0000
    association.release()
    assert (desk.spool.count(State.DEAD), desk.spool.count(State.WAITING)) == (1, 1)


@pytest.mark.parametrize("limits", [{"most_waiting": 1}, {"least_free": 1 << 60}])
def test_where_there_is_no_room_the_sender_is_told_to_come_back(
    desk: Desk, tmp_path: Path, limits: dict[str, int]
) -> None:
    settings = make_settings(tmp_path, spool={"folder": desk.settings.spool.folder, "least_free": 0, **limits})
    intake = Intake(settings, desk.spool, desk.metrics, desk.audit, on_new=lambda: None)
    statuses = [intake.take(source_file(SOPInstanceUID=f"1.2.{n}"), CALLER, "dimse")[0] for n in range(2)]
    assert statuses[-1] is StoreStatus.OUT_OF_RESOURCES
    assert desk.count("dimse", "turned_away") >= 1


def test_every_real_file_is_answered_and_blocks_no_other(
    scp: StorageScp, desk: Desk, shared_data: Path, raw_sending: None
) -> None:
    """Each as its bytes are, over an association on which a good radiograph follows."""
    statuses: dict[str, int | None] = {}
    for number, path in enumerate(sorted((shared_data / "dicom").iterdir())):
        with silence():
            meta = read_file_meta_info(path) if path.read_bytes()[128:132] == b"DICM" else Dataset()
            if not ("MediaStorageSOPInstanceUID" in meta and "TransferSyntaxUID" in meta):
                continue  # no sender could announce it
            entity = AE(CALLER)
            if not meta.MediaStorageSOPInstanceUID:
                entity.dimse_timeout = 3  # nobody answers a sender that announces no name
            entity.add_requested_context(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID)
            entity.add_requested_context(SC, ExplicitVRLittleEndian)
            association = entity.associate("127.0.0.1", scp.port, ae_title=AE_TITLE)
            assert association.is_established, path.name
            refused = {(str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in association.rejected_contexts}
            assert not any(kind in STORAGE and syntax in TRANSFER_SYNTAXES for kind, syntax in refused), path.name
            if not refused:
                status = association.send_c_store(path)
                statuses[path.name] = int(status.Status) if meta.MediaStorageSOPInstanceUID else None
            if association.is_aborted:
                association = entity.associate("127.0.0.1", scp.port, ae_title=AE_TITLE)
            after = source_file(16, 16, SOPClassUID=SC, SOPInstanceUID=f"1.9.{number}")
            assert association.send_c_store(dcmread(io.BytesIO(after))).Status == 0x0000, path.name
            association.release()
    assert len(statuses) > 60
    assert set(statuses.values()) <= {0x0000, 0xC000, 0xA900, None}
    assert desk.spool.count(State.DEAD) == sum(status == 0xC000 for status in statuses.values())
