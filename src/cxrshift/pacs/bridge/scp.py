"""The way in over DIMSE: a service class provider for Verification and for Storage of every kind (PS3.4 A and B)."""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from cxrshift.audit import SOURCE_ID, Action, AuditRecord, AuditTrail, Outcome

from ...image.dicom import TRANSFER_SYNTAXES
from .intake import Intake
from .settings import ScpSettings
from .tls import server_context

ANYONE = "*"
_C_STORE_REQUEST = 0x0001


class StorageScp:
    """Listens for associations: ``with StorageScp(settings, intake, audit) as scp``. Raises OSError.

    It takes objects of every storage class, for an archive forwards whole studies and would take the refusal of a
    report in one for a fault; the rules say what is explained. It takes those transfer syntaxes that can be read: an
    archive that has another sends one of these instead.
    """

    def __init__(self, settings: ScpSettings, intake: Intake, audit: AuditTrail) -> None:
        self._settings = settings
        self._intake = intake
        self._audit = audit
        self._entity = AE(settings.ae_title)
        self._entity.require_called_aet = True
        self._entity.require_calling_aet = [] if ANYONE in settings.callers else list(settings.callers)
        self._entity.maximum_associations = settings.most_associations
        self._entity.maximum_pdu_size = 0  # no limit: a radiograph in few pieces is received faster
        self._entity.add_supported_context(Verification)
        for context in AllStoragePresentationContexts:
            self._entity.add_supported_context(str(context.abstract_syntax), list(TRANSFER_SYNTAXES))

    def __enter__(self) -> Self:
        settings = self._settings
        server = self._entity.start_server(
            (settings.host, settings.port),
            block=False,
            ssl_context=server_context(settings.tls) if settings.tls else None,
            evt_handlers=[
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_DIMSE_RECV, _abort_nameless),
                (evt.EVT_REJECTED, self._turn_away),
            ],
        )
        if server is None:  # it is of a server that blocks alone
            raise RuntimeError("The DIMSE server ended while starting.")
        self._server = server
        self.port = int(server.server_address[1])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()

    def _store(self, event: Any) -> int:
        requestor = event.assoc.requestor
        status, _ = self._intake.take(
            event.encoded_dataset(),
            requestor.ae_title,
            "dimse",
            announced=str(event.request.AffectedSOPInstanceUID),
            address=str(requestor.address),
        )
        return int(status)

    def _turn_away(self, event: Any) -> None:
        requestor = event.assoc.requestor
        record = AuditRecord(
            Action.TURNED_AWAY,
            requestor.ae_title,
            SOURCE_ID,
            Outcome.MINOR_FAILURE,
            datetime.now(UTC),
            network_address=str(requestor.address),
        )
        self._audit.write(record)


def _abort_nameless(event: Any) -> None:
    """End an association that announces an object without a name: pynetdicom would leave it without any answer."""
    command = event.message.command_set
    if command.get("CommandField") == _C_STORE_REQUEST and not command.get("AffectedSOPInstanceUID"):
        event.assoc.abort()
