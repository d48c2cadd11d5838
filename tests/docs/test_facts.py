"""What the pages tell of the code, held against the code: parameters, forms, codes, classes, syntaxes, constants."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydicom.uid import (
    Comprehensive3DSRStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from cxrshift.config import Settings
from cxrshift.core import profiles
from cxrshift.gateway.forms import EXPLAIN_FORMS
from cxrshift.gateway.rest_query import ExplainQuery
from cxrshift.gateway.status import HTTP_TITLES, STATUSES
from cxrshift.image import dicom_kinds
from cxrshift.image.dicom import TRANSFER_SYNTAXES
from cxrshift.models.folders import find_model
from cxrshift.models.manifest import read_manifest
from cxrshift.pacs.bridge.settings import DimseDestination, ScpSettings, SpoolSettings, StowSettings
from cxrshift_api.explain_pb2 import DESCRIPTOR
from cxrshift_api.types import HeatmapKind, ProblemCode, Profile, SaliencyKind, StopReason
from tests.docs.blocks import ROOT


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text("utf-8")


def section(page: str, heading: str) -> str:
    """The page from a heading to the next one of its level or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}$(.*?)(?=^#{{1,2}} |\Z)", text_of(page), re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no {heading}"
    return found[2]


def table_names(text: str) -> set[str]:
    """The names in the first column of the tables."""
    return {name for row in re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)}


def test_the_parameters_of_the_api_page_are_those_of_the_service() -> None:
    table = re.search(r"^### Parameters$(.*?)^### ", text_of("api.md"), re.MULTILINE | re.DOTALL)
    assert table is not None
    assert table_names(table[1]) == set(ExplainQuery.model_fields)
    for word in (*Profile, *HeatmapKind, *SaliencyKind):
        assert f"`{word}`" in table[1], word
    settings = Settings.model_fields
    assert f"at most {settings['max_deadline'].default:g} | {settings['default_deadline'].default:g}" in table[1]


def test_the_forms_of_the_api_page_are_those_of_the_service() -> None:
    table = re.search(r"^### Forms$(.*?)^### ", text_of("api.md"), re.MULTILINE | re.DOTALL)
    assert table is not None
    assert table_names(table[1]) - {"Accept"} == set(EXPLAIN_FORMS.media_types)


def test_the_codes_of_the_api_page_have_the_statuses_of_the_service() -> None:
    told = {}
    for codes, http, grpc in re.findall(
        r"^\| (`[A-Z_`, ]+) \| ([0-9, ]+) \| (`[A-Z_`, ]+) \|", text_of("api.md"), re.MULTILINE
    ):
        names, statuses, words = re.findall(r"\w+", codes), re.findall(r"\d+", http), re.findall(r"\w+", grpc)
        for place, name in enumerate(names):
            told[ProblemCode(name)] = (int(statuses[min(place, len(statuses) - 1)]), words[min(place, len(words) - 1)])
    assert told == {code: (status.http, status.grpc.name) for code, status in STATUSES.items()}


def test_the_methods_of_the_api_page_are_those_of_the_contract() -> None:
    methods = {method.name for method in DESCRIPTOR.services_by_name["Explainer"].methods}
    assert methods <= table_names(section("api.md", "Over gRPC"))


def test_the_statuses_that_only_http_has_are_told() -> None:
    told = re.search(r"REST also has (.*?) of its", text_of("api.md"))
    assert told is not None
    assert {int(code) for code in re.findall(r"\d{3}", told[1])} == set(HTTP_TITLES)


def test_the_page_of_settings_has_every_setting_and_its_default() -> None:
    gateway = text_of("settings.md").partition("## Of the other programs")[0]
    told: dict[str, str] = {}
    for names, defaults in re.findall(r"^\| (`CXRSHIFT_[^|]+) \|([^|]*)\|", gateway, re.MULTILINE):
        each = re.split(r", (?=[^]]*$)", defaults.strip()) if "[" not in defaults else [defaults.strip()]
        variables = re.findall(r"CXRSHIFT_([A-Z_]+)", names)
        told |= dict(zip(variables, each * (len(variables) if len(each) == 1 else 1), strict=True))
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, int) and name.endswith("_bytes"):
            assert told[name.upper()] == f"{default >> 20} MiB"
        elif isinstance(default, bool):
            assert told[name.upper()].strip() == str(default).lower(), name
        elif isinstance(default, int | float):
            assert float(told[name.upper()]) == default, name
        else:
            assert told[name.upper()].strip("` ") in (*_ways_to_write(default), "(discovery)"), name


def _ways_to_write(default: object) -> tuple[str, str]:
    return "" if default is None else str(default), json.dumps(default) if isinstance(default, tuple) else ""


def test_the_client_page_knows_every_code() -> None:
    told = set(re.findall(r"`([A-Z_]{4,})`", section("client.md", "Errors, waits and retries")))
    assert told == {code.value for code in ProblemCode}


def test_the_transfer_syntaxes_of_the_statement_are_those_that_are_read() -> None:
    told = re.findall(r"\| ([\d.]+) \|$", section("conformance.md", "Transfer syntaxes"), re.MULTILINE)
    assert sorted(told) == sorted(TRANSFER_SYNTAXES)


def test_the_classes_of_the_statement_are_those_that_are_read_and_sent() -> None:
    read = re.findall(r"\| ([\d.]+) \|$", section("conformance.md", "What is read as a radiograph"), re.MULTILINE)
    assert set(read) == dicom_kinds._CLASSES
    sent = re.search(
        r"^### Presentation contexts proposed$(.*?)^### ", text_of("conformance.md"), re.MULTILINE | re.DOTALL
    )
    assert sent is not None
    assert set(re.findall(r"\| (1\.[\d.]+) \|", sent[1])) == {
        MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        SecondaryCaptureImageStorage,
        Comprehensive3DSRStorage,
        SegmentationStorage,
    }


def test_the_defaults_of_the_statement_are_those_of_the_bridge() -> None:
    text = text_of("conformance.md")
    scp, stow, spool, out = (kind.model_fields for kind in (ScpSettings, StowSettings, SpoolSettings, DimseDestination))
    assert f"`{scp['ae_title'].default}` unless `ae_title`" in text
    assert f"{scp['most_associations'].default} (`most_associations`)" in text
    assert f"{scp['port'].default} unless `port`" in text
    assert f"`{out['calling_ae_title'].default}` unless set" in text
    assert f"{out['timeout'].default:g} s (`timeout`)" in text
    assert f"{stow['most_bytes'].default >> 20} MiB (`most_bytes`)" in text
    assert f"{spool['most_waiting'].default:,} radiographs wait (`most_waiting`)" in text


def test_the_constants_of_the_method_page_are_those_of_the_code() -> None:
    text = text_of("method.md")
    first, ratio, steps = profiles.TWO_SIDED_FIRST, profiles.TWO_SIDED_RATIO, profiles.TWO_SIDED_STEPS
    assert rf"\frac{{{first} \, s_0 (1 - s_0)}}" in text
    assert rf"{ratio}^k, \qquad k = 0, \ldots, {steps - 1}$$" in text
    assert f"({profiles.TWO_SIDED_TARGET} unless `target_change`" in text
    assert f"`floor`: at most {profiles.TWO_SIDED_FLOOR} | `ceiling`: at least {1 - profiles.TWO_SIDED_FLOOR}" in text
    assert f"by more than {profiles.TWO_SIDED_SLACK:.3f}" in text
    assert f"{profiles.TWO_SIDED_PIXEL_CHANGE:.0%} (`pixel_change`)" in text
    assert rf"\le {profiles.LATENTSHIFT_LAST:.0f}$" in text
    assert rf"\le {profiles.GIFSPLANATION_LAST:.0f}$" in text
    assert {reason.value for reason in StopReason} - {"not-searched"} <= set(re.findall(r"`([a-z-]+)`", text))
    assert {kind.value for kind in HeatmapKind} | {kind.value for kind in SaliencyKind} <= table_names(text)


@pytest.mark.parametrize("name", ["min_ssim", "max_score_gap", "min_movement", "min_monotonicity"])
def test_the_limits_of_the_method_page_are_those_of_the_model(name: str) -> None:
    quality = read_manifest(find_model("cxr-small")).quality
    assert quality is not None
    assert f"{getattr(quality.limits, name):g} |" in section("method.md", "The quality card")


def test_the_page_of_limits_repeats_what_the_evaluation_measured() -> None:
    told = set(re.findall(r"[+−]?\d+\.\d{3}\b", text_of("limits.md")))
    measured = "".join(text_of(page) for page in ("evaluation.md", "benchmarks.md")) + Path(
        find_model("cxr-small") / "README.md"
    ).read_text("utf-8")
    assert told
    assert not {figure for figure in told if figure not in measured}
