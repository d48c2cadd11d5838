"""The client of a cxrshift service: explanations of a chest X-ray classifier, over gRPC or REST.

    from cxrshift_client import Client

    with Client("grpc://127.0.0.1:8001") as client:
        reply = client.explain("chest.dcm", findings="Effusion")

Needs neither torch nor an imaging library. Images are synthetic and not for diagnosis.
"""

from cxrshift_api.types import (
    NOTICE,
    ClassifyReply,
    ClassifyRequest,
    Explained,
    ExplainEvent,
    ExplainOptions,
    ExplainReply,
    ExplainRequest,
    Explanation,
    FindingScore,
    HeatmapKind,
    HeatmapReady,
    ModelInfo,
    Problem,
    ProblemCode,
    Profile,
    Progress,
    QualityCard,
    Receipt,
    SaliencyKind,
    SaliencyMap,
    StopReason,
)

from .client import AsyncClient, Client
from .errors import (
    AccessError,
    BusyError,
    CallCancelled,
    DeadlineError,
    ExplainerError,
    ProtocolError,
    RequestError,
    ServiceFault,
    UnreachableError,
)
from .methods import ListModels
from .request import Choices, ImageLike
from .settings import Retry, Timeout, Tls
from .transports import AsyncTransport, MockTransport, Transport

__all__ = [
    "NOTICE",
    "AccessError",
    "AsyncClient",
    "AsyncTransport",
    "BusyError",
    "CallCancelled",
    "Choices",
    "ClassifyReply",
    "ClassifyRequest",
    "Client",
    "DeadlineError",
    "ExplainEvent",
    "ExplainOptions",
    "ExplainReply",
    "ExplainRequest",
    "Explained",
    "ExplainerError",
    "Explanation",
    "FindingScore",
    "HeatmapKind",
    "HeatmapReady",
    "ImageLike",
    "ListModels",
    "MockTransport",
    "ModelInfo",
    "Problem",
    "ProblemCode",
    "Profile",
    "Progress",
    "ProtocolError",
    "QualityCard",
    "Receipt",
    "RequestError",
    "Retry",
    "SaliencyKind",
    "SaliencyMap",
    "ServiceFault",
    "StopReason",
    "Timeout",
    "Tls",
    "Transport",
    "UnreachableError",
]
