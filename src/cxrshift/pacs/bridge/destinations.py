"""The ways out: results to an archive by C-STORE or STOW-RS."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Protocol

import requests
from dicomweb_client import DICOMwebClient
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.status import code_to_category

from cxrshift.errors import CxrshiftError

from ...image.libraries import silence
from .settings import Destination, DimseDestination, StowDestination
from .tls import client_context

_BUSY_HTTP = (408, 425, 429)
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
_NOT_AUTHORISED = 0x0124
_PROCESSING_FAILURE = 0x0110


class DeliveryFailed(CxrshiftError):
    """An archive could not take the results now; later it may. The message holds nothing of what was sent."""


class DeliveryRefused(CxrshiftError):
    """An archive will not take the results."""


class Sender(Protocol):
    """Gives DICOM files to one archive."""

    def send(self, files: Sequence[bytes]) -> None:
        """Return once the archive has said of every file that it has it. Raises DeliveryFailed or DeliveryRefused.

        A file that it already has counts as given.
        """
        ...


def open_sender(destination: Destination) -> Sender:
    """The sender for a destination."""
    return DimseSender(destination) if isinstance(destination, DimseDestination) else StowSender(destination)


class DimseSender:
    """By C-STORE, all files over one association."""

    def __init__(self, destination: DimseDestination) -> None:
        self._to = destination

    def send(self, files: Sequence[bytes]) -> None:
        """See Sender. Raises DeliveryFailed or DeliveryRefused."""
        datasets = _read(files)
        entity = AE(self._to.calling_ae_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._to.timeout
        entity.connection_timeout = self._to.timeout
        for kind, syntax in sorted({(d.SOPClassUID, d.file_meta.TransferSyntaxUID) for d in datasets}):
            entity.add_requested_context(kind, syntax)
        tls = (client_context(self._to.tls), self._to.host) if self._to.tls else None
        with silence():
            association = entity.associate(self._to.host, self._to.port, ae_title=self._to.ae_title, tls_args=tls)
        if not association.is_established:
            refused = "refused the association" if association.is_rejected else "cannot be reached"
            raise DeliveryFailed(f"The archive {refused}.")
        try:
            for dataset in datasets:
                self._store(association, dataset)
        finally:
            with silence():
                association.release()

    def _store(self, association: Association, dataset: Dataset) -> None:
        with silence():
            try:
                status = association.send_c_store(dataset)
            except ValueError as error:  # no presentation context was accepted for it
                raise DeliveryRefused("The archive does not take objects of this class.") from error
            except RuntimeError as error:
                raise DeliveryFailed("The association with the archive was lost.") from error
        if "Status" not in status:
            raise DeliveryFailed("The archive did not answer in time, or the association was lost.")
        code = int(status.Status)
        if code_to_category(code) in ("Success", "Warning"):
            return
        said = f"The archive answered with the status 0x{code:04X}."
        if code in _OUT_OF_RESOURCES or code in (_PROCESSING_FAILURE, _NOT_AUTHORISED):
            raise DeliveryFailed(said)
        raise DeliveryRefused(said)


class StowSender:
    """By STOW-RS, all files in one request."""

    def __init__(self, destination: StowDestination) -> None:
        self._to = destination

    def send(self, files: Sequence[bytes]) -> None:
        """See Sender. Raises DeliveryFailed or DeliveryRefused."""
        datasets = _read(files)
        try:
            with silence(), requests.Session() as session:
                self._prepare(session)
                client = DICOMwebClient(self._to.url.rstrip("/"), session=session, timeout=self._to.timeout)
                client.set_http_retry_params(retry=False)  # the spool is what tries again
                told = client.store_instances(datasets)
        except requests.HTTPError as error:
            code = http_status(error)
            said = f"The archive answered with HTTP {code}."
            kind = DeliveryFailed if code >= 500 or code in (401, 403, 404, *_BUSY_HTTP) else DeliveryRefused
            raise kind(said) from error
        except requests.RequestException as error:
            raise DeliveryFailed("The archive cannot be reached, or did not answer in time.") from error
        self._check(told)

    def _prepare(self, session: requests.Session) -> None:
        if self._to.token_file:
            session.headers["Authorization"] = f"Bearer {self._to.token_file.read_text('utf-8').strip()}"
        if self._to.tls:
            session.trust_env = False  # else a bundle that the environment names would be trusted in place of ours
            session.verify = str(self._to.tls.trusted) if self._to.tls.trusted else True
            if self._to.tls.certificate:
                session.cert = (str(self._to.tls.certificate), str(self._to.tls.key))

    def _check(self, told: Dataset) -> None:
        reasons = [int(item.get("FailureReason", _PROCESSING_FAILURE)) for item in told.get("FailedSOPSequence", [])]
        if not reasons:
            return
        said = f"The archive did not store {len(reasons)} of the objects (0x{reasons[0]:04X})."
        if all(reason in _OUT_OF_RESOURCES or reason == _PROCESSING_FAILURE for reason in reasons):
            raise DeliveryFailed(said)
        raise DeliveryRefused(said)


def http_status(error: requests.HTTPError) -> int:
    """The status that an HTTP error is about; its connection is given back."""
    if error.response is None:
        return 0
    error.response.close()
    return error.response.status_code


def _read(files: Sequence[bytes]) -> list[Dataset]:
    with silence():
        return [dcmread(io.BytesIO(content)) for content in files]
