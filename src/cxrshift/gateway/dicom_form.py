"""Explanations as DICOM in an HTTP answer, as DICOMweb has it (PS3.18 section 8.6.1.2 and 8.7.3).

``multipart/related; type="application/dicom"`` holds every object of every finding, a part each. ``application/dicom``
is one Part 10 file, as it is for a single instance there: one object of the first finding, chosen by ``object``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cxrshift.errors import InvalidRequest
from cxrshift.pacs.results import DEFAULT_KINDS, DicomObject, ObjectKind, make_objects, require_dicom
from cxrshift_api.types import ExplainReply

DICOM = "application/dicom"
MULTIPART_DICOM = 'multipart/related; type="application/dicom"'
_FORMS = (DICOM, MULTIPART_DICOM)


def check_kinds(kinds: Sequence[ObjectKind], media_type: str) -> None:
    """Raise InvalidRequest where objects are named that the form cannot hold."""
    if kinds and media_type not in _FORMS:
        raise InvalidRequest(f"object chooses among DICOM objects; accept {DICOM} or {MULTIPART_DICOM}.")
    if len(kinds) > 1 and media_type == DICOM:
        raise InvalidRequest(f"{DICOM} holds one object; name one, or accept {MULTIPART_DICOM}.")


def check_image(image: bytes, media_type: str) -> None:
    """Raise UnsupportedImage for an image that DICOM objects cannot be made of, before anything is explained."""
    if media_type in _FORMS:
        require_dicom(image)


def render_single(image: bytes, reply: ExplainReply, kinds: Sequence[ObjectKind]) -> bytes:
    """One object of the first finding; the stack where none is chosen. Raises what ``make_objects`` raises."""
    [made] = make_objects(image, reply.explanations[:1], kinds=kinds or (ObjectKind.STACK,))
    return made.content


def render_multipart(image: bytes, reply: ExplainReply, kinds: Sequence[ObjectKind]) -> tuple[bytes, str]:
    """The objects of every finding as a body of RFC 2387, and its media type with the boundary."""
    objects = make_objects(image, reply.explanations, kinds=kinds or DEFAULT_KINDS)
    boundary = _choose_boundary(objects)
    lines = []
    for made in objects:
        lines += [f"--{boundary}\r\nContent-Type: {DICOM}\r\n\r\n".encode(), made.content, b"\r\n"]
    return b"".join([*lines, f"--{boundary}--\r\n".encode()]), f"{MULTIPART_DICOM}; boundary={boundary}"


def _choose_boundary(objects: Sequence[DicomObject]) -> str:
    """A boundary that no part can hold by chance, nor by design: it hangs on all of them."""
    digest = hashlib.sha256()
    for made in objects:
        digest.update(made.content)
    return digest.hexdigest()
