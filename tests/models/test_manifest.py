"""The manifest: what is written is read back, and everything wrong is named with what would be right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cxrshift.core.limits import QualityLimits
from cxrshift.errors import ManifestError
from cxrshift.models.manifest import (
    MAX_BYTES,
    Manifest,
    ManifestFinding,
    ManifestQuality,
    read_manifest,
    write_manifest,
)
from cxrshift_api.types import FileDigest
from tests.models.toy import MANIFEST

TEXT = """\
name = "phantom"
version = "1.0"
summary = "Small."
kind = "compact"
input_size = 224
input_range = [-1024, 1024.0]
precision = "float32"
runtime = "torch"

[[findings]]
name = "Effusion"
operating_point = 0.25
trained = true

[[findings]]
name = "Mass"

[[files]]
name = "classifier.safetensors"
sha256 = "00000000000000000000000000000000000000000000000000000000000000ff"

[networks.classifier]
width = 32
"""

TEXT_MANIFEST = Manifest(
    name="phantom",
    version="1.0",
    summary="Small.",
    kind="compact",
    input_size=224,
    input_range=(-1024.0, 1024.0),
    findings=(ManifestFinding("Effusion", 0.25), ManifestFinding("Mass", 0.5, trained=True)),
    files=(FileDigest("classifier.safetensors", "0" * 62 + "ff"),),
    runtime="torch",
    networks={"classifier": {"width": 32}},
)

WRONG = [
    ('name = "phantom"\n', "", "name is missing"),
    ('name = "phantom"', 'name = "../phantom"', "name must be 1 to 64 lower-case letters"),
    ('name = "phantom"', 'name = "Phantom"', "name must be 1 to 64 lower-case letters"),
    ('version = "1.0"', "version = 1.0", "version must be 1 to 64 letters"),
    ('summary = "Small."', 'summary = "a\\nb"', "summary must be one line"),
    ('kind = "compact"', 'kind = ""', "kind must be"),
    ("input_size = 224", "input_size = 224.0", "input_size must be a whole number from 16 to 4096"),
    ("input_size = 224", "input_size = true", "input_size must be a whole number from 16 to 4096"),
    ("input_size = 224", "input_size = 15", "input_size must be a whole number from 16 to 4096"),
    ("[-1024, 1024.0]", "[1024, -1024]", "input_range must be two finite numbers, the lower first"),
    ("[-1024, 1024.0]", "[-inf, 0]", "input_range must be two finite numbers, the lower first"),
    ("[-1024, 1024.0]", "[0, 1, 2]", "input_range must be two finite numbers, the lower first"),
    ('precision = "float32"', 'precision = "fp32"', "precision must be one of float32, tfloat32, bfloat16, float16"),
    ('runtime = "torch"', 'runtime = "abacus"', "runtime must be one of auto, torch, "),
    ('runtime = "torch"', 'runtimes = "torch"', "runtimes is not a field that this version knows"),
    ('name = "Effusion"', 'name = " Effusion"', "findings[0].name must be 1 to 64 printable characters"),
    ('name = "Mass"', 'name = "Effusion"', "findings must have different names"),
    ('name = "Mass"', 'title = "Mass"', "findings[1].name is missing"),
    ('name = "Mass"', 'name = "Mass"\ncolour = 1', "findings[1].colour is not a field"),
    ("operating_point = 0.25", "operating_point = 1.5", "findings[0].operating_point must be a number from 0 to 1"),
    ("operating_point = 0.25", "operating_point = nan", "findings[0].operating_point must be a number from 0 to 1"),
    ("trained = true", "trained = 1", "findings[0].trained must be true or false"),
    ("[[files]]", "[files]", "files must be an array of tables, [[files]]"),
    ("[[files]]", "[[weights]]", "files is missing"),
    ("classifier.safetensors", "../classifier.safetensors", "files[0].name must be a plain file name"),
    ("classifier.safetensors", ".hidden", "files[0].name must be a plain file name"),
    ("classifier.safetensors", "manifest.toml", "files[0].name must be another name"),
    ("00ff", "00FF", "files[0].sha256 must be 64 lower-case hexadecimal digits"),
    ("[networks.classifier]", "[networks]", "networks.width must be a table"),
    (
        "width = 32",
        "width = [32, 'a']",
        "networks.classifier.width must be a finite number, an array of them, a string,",
    ),
    ("width = 32", "width = []", "networks.classifier.width must be a finite number, an array of them"),
    ("width = 32", "width = inf", "networks.classifier.width must be a finite number"),
    ("[networks.classifier]", "[networks.", "no valid TOML"),
]


TWIN = b"""
[[files]]
name = "CLASSIFIER.safetensors"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
"""


def in_folder(folder: Path, content: bytes) -> Path:
    (folder / "manifest.toml").write_bytes(content)
    return folder


def test_a_manifest_is_read_field_by_field(tmp_path: Path) -> None:
    assert read_manifest(in_folder(tmp_path, TEXT.encode())) == TEXT_MANIFEST


JUDGED = replace(
    TEXT_MANIFEST, quality=ManifestQuality(QualityLimits(0.05, 0.7, 0.2, 1.4, 0.1, 0.8), "classifier.safetensors")
)
SILENT = replace(TEXT_MANIFEST, quality=ManifestQuality(QualityLimits(None, None, None, None, None, None)))
QUALITY = '\n[quality]\nmax_distance = 1.4\nreference = "classifier.safetensors"\nmin_ssim = 0.7\n'
WRONG_QUALITY = [
    ("max_distance = 1.4", "max_distance = 0", "quality.max_distance must be a number from 1e-06 to 1e+06"),
    ("max_distance = 1.4", "", "quality.reference is not a field that this version knows"),
    ('reference = "classifier.safetensors"', "", "quality.reference is missing"),
    ('reference = "classifier', 'reference = "other', "quality.reference must be one of files"),
    ("min_ssim = 0.7", "min_ssim = nan", "quality.min_ssim must be a number from -1 to 1"),
    ("min_ssim = 0.7", "max_ssim = 0.7", "quality.max_ssim is not a field that this version knows"),
    ("[quality]", "[[quality]]", "quality must be a table"),
]


@pytest.mark.parametrize(("right", "wrong", "says"), WRONG_QUALITY)
def test_wrong_limits_are_named_with_what_would_be_right(right: str, wrong: str, says: str, tmp_path: Path) -> None:
    stated = read_manifest(in_folder(tmp_path, (TEXT + QUALITY).encode())).quality
    assert stated is not None
    assert stated.limits == QualityLimits(None, 0.7, None, 1.4, None, None)  # what is left out is not held
    with pytest.raises(ManifestError) as caught:
        read_manifest(in_folder(tmp_path, (TEXT + QUALITY.replace(right, wrong)).encode()))
    assert says in str(caught.value)


@pytest.mark.parametrize("manifest", [MANIFEST, TEXT_MANIFEST, JUDGED, SILENT])
def test_what_is_written_is_read_back(manifest: Manifest, tmp_path: Path) -> None:
    write_manifest(manifest, tmp_path)
    assert read_manifest(tmp_path) == manifest


def test_awkward_texts_and_numbers_survive_the_file(tmp_path: Path) -> None:
    manifest = replace(
        MANIFEST,
        summary='A "quoted" \\ backslash, é, 肺, 🫁, # no comment',
        findings=(ManifestFinding('Pleural "fluid"', 1e-7),),
        input_range=(-1e-30, 1e30),
        networks={
            "a b": {"text\x7f\t\n": "\x00\x7f\x85", "flag": False, "count": -3, "rate": 1e22, "row": (0.5, -1.0)},
            "empty": {},
        },
    )
    write_manifest(manifest, tmp_path)
    assert read_manifest(tmp_path) == manifest


@pytest.mark.parametrize(("right", "wrong", "says"), WRONG)
def test_each_wrong_field_is_named_with_what_would_be_right(right: str, wrong: str, says: str, tmp_path: Path) -> None:
    assert right in TEXT
    with pytest.raises(ManifestError) as caught:
        read_manifest(in_folder(tmp_path, TEXT.replace(right, wrong).encode()))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name = '\xff'", "must be UTF-8"),
        (b"#" * (MAX_BYTES + 1), "must be a short text"),
        (TEXT.partition("[networks")[0].encode() + TWIN, "files must have different names"),
    ],
)
def test_other_broken_manifests_are_refused(content: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=says):
        read_manifest(in_folder(tmp_path, content))


def test_a_folder_without_a_readable_manifest_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no manifest\.toml"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.toml").mkdir()
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "Not a name"}, "name must be"),
        ({"findings": ()}, "findings is missing"),
        ({"summary": "\ud800"}, "lone surrogate"),
        ({"input_size": True}, "input_size must be"),
        ({"networks": {"classifier": {"rate": float("nan")}}}, "must be a finite number"),
    ],
)
def test_nothing_is_written_that_could_not_be_read_back(change: dict[str, object], says: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=says):
        write_manifest(replace(MANIFEST, **change), tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
