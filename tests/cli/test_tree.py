"""What holds for every command of the tree: JSON, examples that parse, exit codes that exist."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.cli.exits import ExitCode, Trouble
from cxrshift.cli.group import PANELS, asks_for_json
from cxrshift_api.types import ProblemCode

ROOT: Any = typer.main.get_command(app)
DOCUMENT = Path(__file__).parents[2] / "docs/command-line.md"
SIGNALLED = {130, 143}
FOLDERS = ("images", "my-model", "model_store/phantom", "runs/autoencoder", "study", "study_folder")
FILES = ("densenet.pt", "autoencoder.pt", "encoder.pt2", "decoder.pt2", "cases.csv", "study.sqlite")
"""What examples name and must be there for their options to be right."""


def walk(command: Any = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group, with the words that lead to it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from walk(below, (*path, name))


EVERYTHING = list(walk())
COMMANDS = [(path, command) for path, command in EVERYTHING if not hasattr(command, "commands")]


def by_path(found: tuple[tuple[str, ...], Any]) -> str:
    return " ".join(found[0]) or "cxrshift"


def examples(command: Any) -> list[str]:
    """The command lines in a help's end, without markup and prompt."""
    plain = re.sub(r"(?<!\\)\[/?[a-z ]+\]", "", command.epilog or "").replace(r"\[", "[")
    lines = (line.strip().removeprefix("$ ") for line in plain.splitlines())
    return [line for line in lines if line.startswith("cxrshift ")]


def stated_codes(command: Any) -> set[int]:
    """The exit codes that a help's end explains."""
    _, _, stated = (command.epilog or "").replace("Before:", "Exit codes: 0,").rpartition("Exit codes:")
    return {int(number) for number in re.findall(r"\b(\d{1,3}) [a-z]", stated)}


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def test_the_tree_is_walked() -> None:
    assert {"explain", "doctor", "models list", "evaluate phantom", "pacs serve"} <= {by_path(one) for one in COMMANDS}


@pytest.mark.parametrize("found", COMMANDS, ids=by_path)
def test_every_command_takes_json(found: tuple[tuple[str, ...], Any]) -> None:
    assert "--json" in options(found[1])


@pytest.mark.parametrize("found", COMMANDS, ids=by_path)
def test_every_command_tells_a_usage_error_as_one_json_document(found: tuple[tuple[str, ...], Any]) -> None:
    done = CliRunner().invoke(app, [*found[0], "--json", "--no-such-option"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["problem"]["code"], told["problem"]["exit_code"]) == (2, "USAGE", 2)
    assert "--no-such-option" in told["problem"]["message"]
    assert told["problem"]["message"] in done.stderr


@pytest.mark.parametrize("found", EVERYTHING, ids=by_path)
def test_every_help_shows_examples_of_its_own(found: tuple[tuple[str, ...], Any]) -> None:
    path, command = found
    own = [line for line in examples(command) if line.split()[1 : 1 + len(path)] == list(path)]
    assert own
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "400"}).stdout
    assert all(line in shown for line in own)


@pytest.mark.parametrize("found", EVERYTHING, ids=by_path)
def test_every_example_parses(
    found: tuple[tuple[str, ...], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(parents=True)
    for file in FILES:
        (tmp_path / file).touch()
    for line in examples(found[1]):
        words = shlex.split(line.partition(" > ")[0])[1:]
        command = ROOT
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands"), f"{line}: names no command"
        command.make_context(line, words)


@pytest.mark.parametrize("found", COMMANDS, ids=by_path)
def test_every_exit_code_that_a_help_names_is_one_that_there_is(found: tuple[tuple[str, ...], Any]) -> None:
    assert stated_codes(found[1]) <= {*map(int, ExitCode), *SIGNALLED}


def test_the_exit_codes_are_read_out_of_the_helps() -> None:
    assert stated_codes(dict(COMMANDS)[("serve",)]) == {0, 1, 2}
    assert stated_codes(dict(COMMANDS)[("train", "autoencoder")]) == {0, 1, 2, 3, 130, 143}


def test_the_root_shows_commands_in_panels_and_a_few_examples() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).stdout
    places = [shown.index(f"─ {panel} ─") for panel in PANELS]
    assert places == sorted(places)
    assert 4 <= len(examples(ROOT)) <= 6
    assert max(map(len, shown.splitlines())) <= 80
    assert all(getattr(command, "rich_help_panel", None) in PANELS for command in ROOT.commands.values())


def test_what_follows_two_dashes_is_no_option() -> None:
    assert asks_for_json(["explain", "--json"])
    assert not asks_for_json(["explain", "--", "--json"])


def test_the_document_names_every_command_code_and_exit_code() -> None:
    text = DOCUMENT.read_text("utf-8")
    missing = [f"cxrshift {by_path(one)}" for one in COMMANDS if f"cxrshift {by_path(one)}" not in text]
    missing += [code for code in (*Trouble, *ProblemCode) if f"`{code.value}`" not in text]
    missing += [f"exit code {int(code)}" for code in ExitCode if f"| {int(code)} |" not in text]
    assert missing == []


def test_the_document_names_every_environment_variable() -> None:
    from cxrshift.doctor.variables import COMMAND_VARIABLES, gateway_variables

    text = DOCUMENT.read_text("utf-8")
    assert [name for name in (*COMMAND_VARIABLES, *gateway_variables()) if f"`{name}`" not in text] == []
