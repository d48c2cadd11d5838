from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Profile(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROFILE_UNSPECIFIED: _ClassVar[Profile]
    PROFILE_TWO_SIDED: _ClassVar[Profile]
    PROFILE_LATENTSHIFT: _ClassVar[Profile]
    PROFILE_GIFSPLANATION: _ClassVar[Profile]
    PROFILE_FIXED: _ClassVar[Profile]

class HeatmapKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HEATMAP_KIND_UNSPECIFIED: _ClassVar[HeatmapKind]
    HEATMAP_KIND_MAX: _ClassVar[HeatmapKind]
    HEATMAP_KIND_MEAN: _ClassVar[HeatmapKind]
    HEATMAP_KIND_FIRST_TO_LAST: _ClassVar[HeatmapKind]
    HEATMAP_KIND_INTEGRATED: _ClassVar[HeatmapKind]

class SaliencyKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SALIENCY_KIND_UNSPECIFIED: _ClassVar[SaliencyKind]
    SALIENCY_KIND_INPUT_GRADIENT: _ClassVar[SaliencyKind]
    SALIENCY_KIND_INTEGRATED_GRADIENTS: _ClassVar[SaliencyKind]
    SALIENCY_KIND_GUIDED_BACKPROPAGATION: _ClassVar[SaliencyKind]

class StopReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STOP_REASON_UNSPECIFIED: _ClassVar[StopReason]
    STOP_REASON_TARGET: _ClassVar[StopReason]
    STOP_REASON_FLOOR: _ClassVar[StopReason]
    STOP_REASON_CEILING: _ClassVar[StopReason]
    STOP_REASON_REVERSED: _ClassVar[StopReason]
    STOP_REASON_PIXEL_CHANGE: _ClassVar[StopReason]
    STOP_REASON_LAST_LAMBDA: _ClassVar[StopReason]
PROFILE_UNSPECIFIED: Profile
PROFILE_TWO_SIDED: Profile
PROFILE_LATENTSHIFT: Profile
PROFILE_GIFSPLANATION: Profile
PROFILE_FIXED: Profile
HEATMAP_KIND_UNSPECIFIED: HeatmapKind
HEATMAP_KIND_MAX: HeatmapKind
HEATMAP_KIND_MEAN: HeatmapKind
HEATMAP_KIND_FIRST_TO_LAST: HeatmapKind
HEATMAP_KIND_INTEGRATED: HeatmapKind
SALIENCY_KIND_UNSPECIFIED: SaliencyKind
SALIENCY_KIND_INPUT_GRADIENT: SaliencyKind
SALIENCY_KIND_INTEGRATED_GRADIENTS: SaliencyKind
SALIENCY_KIND_GUIDED_BACKPROPAGATION: SaliencyKind
STOP_REASON_UNSPECIFIED: StopReason
STOP_REASON_TARGET: StopReason
STOP_REASON_FLOOR: StopReason
STOP_REASON_CEILING: StopReason
STOP_REASON_REVERSED: StopReason
STOP_REASON_PIXEL_CHANGE: StopReason
STOP_REASON_LAST_LAMBDA: StopReason

class ExplainOptions(_message.Message):
    __slots__ = ("findings", "profile", "frames", "heatmap", "lambda_min", "lambda_max", "target_change", "pixel_change", "saliency", "source_frame", "least_frames")
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    HEATMAP_FIELD_NUMBER: _ClassVar[int]
    LAMBDA_MIN_FIELD_NUMBER: _ClassVar[int]
    LAMBDA_MAX_FIELD_NUMBER: _ClassVar[int]
    TARGET_CHANGE_FIELD_NUMBER: _ClassVar[int]
    PIXEL_CHANGE_FIELD_NUMBER: _ClassVar[int]
    SALIENCY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FRAME_FIELD_NUMBER: _ClassVar[int]
    LEAST_FRAMES_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedScalarFieldContainer[str]
    profile: Profile
    frames: int
    heatmap: HeatmapKind
    lambda_min: float
    lambda_max: float
    target_change: float
    pixel_change: float
    saliency: _containers.RepeatedScalarFieldContainer[SaliencyKind]
    source_frame: int
    least_frames: int
    def __init__(self, findings: _Optional[_Iterable[str]] = ..., profile: _Optional[_Union[Profile, str]] = ..., frames: _Optional[int] = ..., heatmap: _Optional[_Union[HeatmapKind, str]] = ..., lambda_min: _Optional[float] = ..., lambda_max: _Optional[float] = ..., target_change: _Optional[float] = ..., pixel_change: _Optional[float] = ..., saliency: _Optional[_Iterable[_Union[SaliencyKind, str]]] = ..., source_frame: _Optional[int] = ..., least_frames: _Optional[int] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("image", "model", "options", "request_id")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    model: str
    options: ExplainOptions
    request_id: str
    def __init__(self, image: _Optional[bytes] = ..., model: _Optional[str] = ..., options: _Optional[_Union[ExplainOptions, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ClassifyRequest(_message.Message):
    __slots__ = ("image", "model", "request_id")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    model: str
    request_id: str
    def __init__(self, image: _Optional[bytes] = ..., model: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Array(_message.Message):
    __slots__ = ("data", "dtype", "shape", "encoding")
    class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        RAW: _ClassVar[Array.Encoding]
        DELTA_ZLIB: _ClassVar[Array.Encoding]
        ZLIB: _ClassVar[Array.Encoding]
    RAW: Array.Encoding
    DELTA_ZLIB: Array.Encoding
    ZLIB: Array.Encoding
    DATA_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    encoding: Array.Encoding
    def __init__(self, data: _Optional[bytes] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., encoding: _Optional[_Union[Array.Encoding, str]] = ...) -> None: ...

class PixelScale(_message.Message):
    __slots__ = ("scale", "offset")
    SCALE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    scale: float
    offset: float
    def __init__(self, scale: _Optional[float] = ..., offset: _Optional[float] = ...) -> None: ...

class Side(_message.Message):
    __slots__ = ("stop", "limit", "evaluated")
    STOP_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_FIELD_NUMBER: _ClassVar[int]
    stop: StopReason
    limit: float
    evaluated: int
    def __init__(self, stop: _Optional[_Union[StopReason, str]] = ..., limit: _Optional[float] = ..., evaluated: _Optional[int] = ...) -> None: ...

class QualityCard(_message.Message):
    __slots__ = ("ssim", "mae", "score_gap", "drop", "rise", "monotonicity", "gradient_norm", "warnings", "distance")
    SSIM_FIELD_NUMBER: _ClassVar[int]
    MAE_FIELD_NUMBER: _ClassVar[int]
    SCORE_GAP_FIELD_NUMBER: _ClassVar[int]
    DROP_FIELD_NUMBER: _ClassVar[int]
    RISE_FIELD_NUMBER: _ClassVar[int]
    MONOTONICITY_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_NORM_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    ssim: float
    mae: float
    score_gap: float
    drop: float
    rise: float
    monotonicity: float
    gradient_norm: float
    warnings: _containers.RepeatedScalarFieldContainer[str]
    distance: float
    def __init__(self, ssim: _Optional[float] = ..., mae: _Optional[float] = ..., score_gap: _Optional[float] = ..., drop: _Optional[float] = ..., rise: _Optional[float] = ..., monotonicity: _Optional[float] = ..., gradient_norm: _Optional[float] = ..., warnings: _Optional[_Iterable[str]] = ..., distance: _Optional[float] = ...) -> None: ...

class FileDigest(_message.Message):
    __slots__ = ("name", "sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    sha256: str
    def __init__(self, name: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("model", "model_version", "files", "preprocessing", "precision", "runtime", "software", "options")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    model: str
    model_version: str
    files: _containers.RepeatedCompositeFieldContainer[FileDigest]
    preprocessing: str
    precision: str
    runtime: str
    software: str
    options: ExplainOptions
    def __init__(self, model: _Optional[str] = ..., model_version: _Optional[str] = ..., files: _Optional[_Iterable[_Union[FileDigest, _Mapping]]] = ..., preprocessing: _Optional[str] = ..., precision: _Optional[str] = ..., runtime: _Optional[str] = ..., software: _Optional[str] = ..., options: _Optional[_Union[ExplainOptions, _Mapping]] = ...) -> None: ...

class SaliencyMap(_message.Message):
    __slots__ = ("kind", "values")
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    kind: SaliencyKind
    values: Array
    def __init__(self, kind: _Optional[_Union[SaliencyKind, str]] = ..., values: _Optional[_Union[Array, _Mapping]] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("finding", "findings", "lambdas", "scores", "frames", "scale", "heatmap", "heatmap_kind", "radiograph", "radiograph_scores", "operating_point", "below", "above", "quality", "receipt", "notice", "saliency")
    FINDING_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    LAMBDAS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    HEATMAP_FIELD_NUMBER: _ClassVar[int]
    HEATMAP_KIND_FIELD_NUMBER: _ClassVar[int]
    RADIOGRAPH_FIELD_NUMBER: _ClassVar[int]
    RADIOGRAPH_SCORES_FIELD_NUMBER: _ClassVar[int]
    OPERATING_POINT_FIELD_NUMBER: _ClassVar[int]
    BELOW_FIELD_NUMBER: _ClassVar[int]
    ABOVE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    SALIENCY_FIELD_NUMBER: _ClassVar[int]
    finding: str
    findings: _containers.RepeatedScalarFieldContainer[str]
    lambdas: Array
    scores: Array
    frames: Array
    scale: PixelScale
    heatmap: Array
    heatmap_kind: HeatmapKind
    radiograph: Array
    radiograph_scores: Array
    operating_point: float
    below: Side
    above: Side
    quality: QualityCard
    receipt: Receipt
    notice: str
    saliency: _containers.RepeatedCompositeFieldContainer[SaliencyMap]
    def __init__(self, finding: _Optional[str] = ..., findings: _Optional[_Iterable[str]] = ..., lambdas: _Optional[_Union[Array, _Mapping]] = ..., scores: _Optional[_Union[Array, _Mapping]] = ..., frames: _Optional[_Union[Array, _Mapping]] = ..., scale: _Optional[_Union[PixelScale, _Mapping]] = ..., heatmap: _Optional[_Union[Array, _Mapping]] = ..., heatmap_kind: _Optional[_Union[HeatmapKind, str]] = ..., radiograph: _Optional[_Union[Array, _Mapping]] = ..., radiograph_scores: _Optional[_Union[Array, _Mapping]] = ..., operating_point: _Optional[float] = ..., below: _Optional[_Union[Side, _Mapping]] = ..., above: _Optional[_Union[Side, _Mapping]] = ..., quality: _Optional[_Union[QualityCard, _Mapping]] = ..., receipt: _Optional[_Union[Receipt, _Mapping]] = ..., notice: _Optional[str] = ..., saliency: _Optional[_Iterable[_Union[SaliencyMap, _Mapping]]] = ...) -> None: ...

class ExplainReply(_message.Message):
    __slots__ = ("explanations", "request_id")
    EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    explanations: _containers.RepeatedCompositeFieldContainer[Explanation]
    request_id: str
    def __init__(self, explanations: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class FindingScore(_message.Message):
    __slots__ = ("finding", "score", "operating_point", "trained")
    FINDING_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    OPERATING_POINT_FIELD_NUMBER: _ClassVar[int]
    TRAINED_FIELD_NUMBER: _ClassVar[int]
    finding: str
    score: float
    operating_point: float
    trained: bool
    def __init__(self, finding: _Optional[str] = ..., score: _Optional[float] = ..., operating_point: _Optional[float] = ..., trained: _Optional[bool] = ...) -> None: ...

class ClassifyReply(_message.Message):
    __slots__ = ("model", "model_version", "scores", "request_id")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    model: str
    model_version: str
    scores: _containers.RepeatedCompositeFieldContainer[FindingScore]
    request_id: str
    def __init__(self, model: _Optional[str] = ..., model_version: _Optional[str] = ..., scores: _Optional[_Iterable[_Union[FindingScore, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ModelInfo(_message.Message):
    __slots__ = ("name", "version", "summary", "input_size", "findings", "default", "ready")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    INPUT_SIZE_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    summary: str
    input_size: int
    findings: _containers.RepeatedCompositeFieldContainer[FindingScore]
    default: bool
    ready: bool
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., summary: _Optional[str] = ..., input_size: _Optional[int] = ..., findings: _Optional[_Iterable[_Union[FindingScore, _Mapping]]] = ..., default: _Optional[bool] = ..., ready: _Optional[bool] = ...) -> None: ...

class ListModelsReply(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelInfo]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelInfo, _Mapping]]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("stage", "fraction")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    stage: str
    fraction: float
    def __init__(self, stage: _Optional[str] = ..., fraction: _Optional[float] = ...) -> None: ...

class ExplainEvent(_message.Message):
    __slots__ = ("progress", "heatmap", "explanation")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    HEATMAP_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    progress: Progress
    heatmap: Explanation
    explanation: Explanation
    def __init__(self, progress: _Optional[_Union[Progress, _Mapping]] = ..., heatmap: _Optional[_Union[Explanation, _Mapping]] = ..., explanation: _Optional[_Union[Explanation, _Mapping]] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("code", "message", "retry_after")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    retry_after: float
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., retry_after: _Optional[float] = ...) -> None: ...

class WorkRequest(_message.Message):
    __slots__ = ("explain", "classify", "describe", "expires")
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    CLASSIFY_FIELD_NUMBER: _ClassVar[int]
    DESCRIBE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    explain: ExplainRequest
    classify: ClassifyRequest
    describe: DescribeRequest
    expires: float
    def __init__(self, explain: _Optional[_Union[ExplainRequest, _Mapping]] = ..., classify: _Optional[_Union[ClassifyRequest, _Mapping]] = ..., describe: _Optional[_Union[DescribeRequest, _Mapping]] = ..., expires: _Optional[float] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StageSeconds(_message.Message):
    __slots__ = ("decode", "encode", "gradient", "search", "frames", "total", "saliency")
    DECODE_FIELD_NUMBER: _ClassVar[int]
    ENCODE_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    SALIENCY_FIELD_NUMBER: _ClassVar[int]
    decode: float
    encode: float
    gradient: float
    search: float
    frames: float
    total: float
    saliency: float
    def __init__(self, decode: _Optional[float] = ..., encode: _Optional[float] = ..., gradient: _Optional[float] = ..., search: _Optional[float] = ..., frames: _Optional[float] = ..., total: _Optional[float] = ..., saliency: _Optional[float] = ...) -> None: ...

class WorkReport(_message.Message):
    __slots__ = ("batch_size", "rows", "stages")
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    batch_size: int
    rows: int
    stages: StageSeconds
    def __init__(self, batch_size: _Optional[int] = ..., rows: _Optional[int] = ..., stages: _Optional[_Union[StageSeconds, _Mapping]] = ...) -> None: ...

class WorkReply(_message.Message):
    __slots__ = ("explain", "classify", "describe", "problem", "report")
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    CLASSIFY_FIELD_NUMBER: _ClassVar[int]
    DESCRIBE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    explain: ExplainReply
    classify: ClassifyReply
    describe: ModelInfo
    problem: Problem
    report: WorkReport
    def __init__(self, explain: _Optional[_Union[ExplainReply, _Mapping]] = ..., classify: _Optional[_Union[ClassifyReply, _Mapping]] = ..., describe: _Optional[_Union[ModelInfo, _Mapping]] = ..., problem: _Optional[_Union[Problem, _Mapping]] = ..., report: _Optional[_Union[WorkReport, _Mapping]] = ...) -> None: ...
