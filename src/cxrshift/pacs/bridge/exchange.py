"""Errands that a person sends: files to an archive, a study from one."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
from dicomweb_client import DICOMwebClient
from pydicom import dcmwrite

from cxrshift.errors import CodedError

from ...image.libraries import silence
from .arrivals import read_arrival
from .destinations import DeliveryFailed, DeliveryRefused, http_status, open_sender
from .settings import Destination


@dataclass(frozen=True)
class Sent:
    """What became of one file."""

    path: Path
    problem: str = ""
    """Why it was not stored; empty where it was."""


def send_files(paths: Sequence[Path], destination: Destination) -> Iterator[Sent]:
    """Send each file, and say of each in turn how that went. Raises OSError."""
    sender = open_sender(destination)
    for path in paths:
        content = path.read_bytes()
        try:
            read_arrival(content, "")
            sender.send([content])
        except CodedError as error:
            yield Sent(path, error.message)
        except (DeliveryFailed, DeliveryRefused) as error:
            yield Sent(path, str(error))
        else:
            yield Sent(path)


def fetch_study(url: str, study_instance_uid: str, folder: Path, *, timeout: float = 60.0) -> list[Path]:
    """Write every object of a study into ``folder`` as SOP-INSTANCE-UID.dcm, by WADO-RS; returns the files.

    Raises DeliveryFailed where the archive does not answer or does not have the study, and OSError.

    Each answer of the archive may take ``timeout`` seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    try:
        with silence(), requests.Session() as session:
            client = DICOMwebClient(url.rstrip("/"), session=session, timeout=timeout)
            client.set_http_retry_params(retry=False)
            for dataset in client.iter_study(study_instance_uid):
                buffer = io.BytesIO()
                dcmwrite(buffer, dataset)
                path = folder / f"{dataset.SOPInstanceUID}.dcm"
                path.write_bytes(buffer.getvalue())
                written.append(path)
    except requests.HTTPError as error:
        code = http_status(error)
        if code == requests.codes.not_found:
            raise DeliveryFailed("The archive does not have this study.") from error
        raise DeliveryFailed(f"The archive answered with HTTP {code}.") from error
    except (requests.RequestException, ValueError) as error:
        raise DeliveryFailed("No DICOMweb service answers at this address.") from error
    if not written:
        raise DeliveryFailed("The archive does not have this study.")
    return written
