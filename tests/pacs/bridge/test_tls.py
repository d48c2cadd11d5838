"""TLS on every way in and out: who shows no trusted certificate gets no association and no answer."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxrshift.pacs.bridge.destinations import DeliveryFailed, open_sender
from cxrshift.pacs.bridge.scp import StorageScp
from cxrshift.pacs.bridge.settings import Certificate, DimseDestination, ScpSettings, StowDestination, StowSettings
from cxrshift.pacs.bridge.spool_records import State
from cxrshift.pacs.bridge.stow import StowServer
from tests.pacs.bridge.certificates import make_certificate
from tests.pacs.bridge.conftest import Desk
from tests.pacs.bridge.examples import AE_TITLE, CALLER
from tests.pacs.sources import source_file

# pynetdicom lets go of a socket whose handshake failed without closing it.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <s:pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _sockets_let_go() -> Iterator[None]:
    """What is left open goes while this module's filter holds, not in a later test."""
    yield
    gc.collect()


def dimse(port: int, tls: Certificate | None) -> DimseDestination:
    return DimseDestination(
        kind="dimse", host="127.0.0.1", port=port, ae_title=AE_TITLE, calling_ae_title=CALLER, timeout=5.0, tls=tls
    )


def test_c_store_over_mutual_tls(desk: Desk, tmp_path: Path) -> None:
    ours, strangers = make_certificate(tmp_path, "ours"), make_certificate(tmp_path, "strangers")
    settings = ScpSettings(ae_title=AE_TITLE, port=0, callers=(CALLER,), tls=ours)
    with StorageScp(settings, desk.intake, desk.audit) as scp:
        open_sender(dimse(scp.port, ours)).send([source_file()])
        unknown = Certificate(certificate=strangers.certificate, key=strangers.key, trusted=ours.trusted)
        for tls in (None, unknown, strangers):
            with pytest.raises(DeliveryFailed):
                open_sender(dimse(scp.port, tls)).send([source_file(SOPInstanceUID="1.2.77")])
        open_sender(dimse(scp.port, ours)).send([source_file(SOPInstanceUID="1.2.78")])
    assert desk.spool.count(State.WAITING) == 2


def test_stow_over_mutual_tls(desk: Desk, tmp_path: Path) -> None:
    ours, strangers = make_certificate(tmp_path, "ours"), make_certificate(tmp_path, "strangers")
    with StowServer(StowSettings(port=0, tls=ours), desk.intake) as stow:
        url = f"https://127.0.0.1:{stow.port}/dicom-web"

        def send(tls: Certificate | None, uid: str) -> None:
            open_sender(StowDestination(kind="stow", url=url, timeout=5.0, tls=tls)).send(
                [source_file(SOPInstanceUID=uid)]
            )

        send(ours, "1.2.1")
        unknown = Certificate(certificate=strangers.certificate, key=strangers.key, trusted=ours.trusted)
        for tls in (None, unknown, strangers):
            with pytest.raises(DeliveryFailed):
                send(tls, "1.2.2")
    assert desk.spool.count(State.WAITING) == 1
