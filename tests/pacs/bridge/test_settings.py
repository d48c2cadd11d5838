"""The TOML file: what is wrong in it is told by place, and rules match as written."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrshift.pacs.bridge.settings import Match, SettingsError, StowDestination, load_settings, make_destination
from cxrshift.pacs.results import DEFAULT_KINDS
from cxrshift_api.types import Profile
from tests.pacs.bridge.examples import make_arrival, make_settings

WHOLE = """
[service]
address = "grpc://127.0.0.1:8001"

[spool]
folder = "spool"

[scp]
ae_title = "CXRSHIFT"
callers = ["ARCHIVE"]

[destinations.archive]
kind = "stow"
url = "http://127.0.0.1:8042/dicom-web"
token_file = "secret"

[[rules]]
name = "chest"
match = { modality = ["CR", "DX"], study_description = ["*thorax*", ""] }
findings = ["Effusion"]
send_to = ["archive"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "bridge.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_whole_file_is_read_and_its_paths_are_beside_it(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, WHOLE))
    assert settings.spool.folder == tmp_path / "spool"
    assert settings.audit == tmp_path / "spool/audit.xml"
    destination = settings.destinations["archive"]
    assert isinstance(destination, StowDestination)
    assert destination.token_file == tmp_path / "secret"
    rule = settings.rule("chest")
    assert rule is not None
    assert (rule.findings, rule.profile, rule.objects) == (("Effusion",), Profile.TWO_SIDED, DEFAULT_KINDS)
    assert settings.rule("gone") is None


def test_the_example_of_the_documents_is_valid(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/pacs.md").read_text("utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    settings = load_settings(write(tmp_path, example))
    assert settings.scp
    assert settings.stow


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[spool]", "[spol]"), "spool: Field required"),
        (('folder = "spool"', 'folder = "spool"\nretries = 3'), "spool.retries: Extra inputs are not permitted"),
        (('["ARCHIVE"]', "[]"), "scp.callers: Tuple should have at least 1 item"),
        (('["ARCHIVE"]', '["SEVENTEEN-LETTERS"]'), "scp.callers.0"),
        (
            ('send_to = ["archive"]', 'send_to = ["elsewhere"]'),
            "send_to names what is not among destinations: elsewhere",
        ),
        (('send_to = ["archive"]', "send_to = []"), "rules.0.send_to"),
        (("[scp]", "[ignored_scp]"), "ignored_scp"),
        (('kind = "stow"', 'kind = "ftp"'), "destinations.archive: Input tag 'ftp'"),
        (('url = "http', 'url = "ftp'), "destinations.archive.stow.url"),
        (("[service]", "[service"), "not a TOML file"),
    ],
)
def test_what_is_wrong_is_told_by_place(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    path = write(tmp_path, WHOLE.replace(*change))
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: No such file"):
        load_settings(tmp_path / "nowhere.toml")


def test_a_bridge_without_a_way_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no way in"):
        make_settings(tmp_path, scp=None, stow=None)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(), True),
        (Match(modality=("cr",)), True),
        (Match(modality=("DX",)), False),
        (Match(modality=("DX", "C?")), True),
        (Match(study_description=("*p.a.*",)), True),
        (Match(body_part=("CHEST",), station_name=("",)), True),
        (Match(body_part=("CHEST",), station_name=("ROOM*",)), False),
        (Match(caller=("ARCH*",)), True),
        (Match(caller=("stow",)), False),
    ],
)
def test_a_rule_fits_where_each_of_its_lists_has_a_pattern_that_does(match: Match, fits: bool) -> None:
    arrival = make_arrival()
    [rule] = make_settings(Path("/x"), rules=[{"name": "r", "match": match, "send_to": ["archive"]}]).rules
    assert (arrival.choose_rule([rule]) is rule) is fits


def test_a_destination_is_named_by_address() -> None:
    dimse = make_destination("pacs.example:104", called="PACS", calling="ME")
    assert dimse.model_dump()["host"] == "pacs.example"
    assert dimse.model_dump()["port"] == 104
    assert make_destination("https://pacs.example/dicom-web", called="", calling="").kind == "stow"
    with pytest.raises(SettingsError, match="write HOST:PORT or a URL"):
        make_destination("pacs.example", called="PACS", calling="ME")
