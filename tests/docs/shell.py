"""What a shell block says, command by command, held against what there is, without running anything."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from cxrshift.cli.app import app
from tests.deploy.code_facts import image_targets
from tests.docs.blocks import ROOT

ORDINARY: Final = frozenset(
    {
        "base64",
        "cat",
        "cd",
        "chmod",
        "cp",
        "curl",
        "docker",
        "echo",
        "export",
        "git",
        "grpcurl",
        "kubectl",
        "ls",
        "mkdir",
    }
    | {"pip", "printf", "python3", "source", "unset"}
)
"""Commands that are not this project's. One that is not here is new, or a slip of the pen."""
ClickException: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
"""What typer raises at a command line that is wrong."""
_OPERATORS = {"|", "||", "&&", ";", "&", "|&", "(", ")", "{", "}", "then", "do", "done"}
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


def commands(script: str) -> Iterator[list[str]]:
    """The words of each simple command, without assignments, redirections and comments."""
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        tokens = iter(lexer)
        for token in tokens:
            if token in _OPERATORS:
                yield from _without_assignments(words)
                words = []
            elif set(token) <= set("<>&"):
                next(tokens, None)
            else:
                words.append(token)
        yield from _without_assignments(words)


def _without_assignments(words: list[str]) -> Iterator[list[str]]:
    while words and _ASSIGNMENT.match(words[0]):
        words = words[1:]
    if words:
        yield words


def check_script(script: str) -> None:
    """Every command of it: see ``check_command``."""
    for words in commands(script):
        check_command(words)


def check_command(words: list[str]) -> None:
    """Raise AssertionError where ``words`` name what is not there."""
    checks: Mapping[str, Callable[[list[str]], None]] = {
        "cxrshift": check_cxrshift,
        "make": _check_make,
        "python": _check_python,
        "docker": _check_docker,
        "kubectl": _check_kubectl,
        "pip": _check_pip,
    }
    name, *arguments = words
    assert name in checks or name in ORDINARY, f"{name} is no command that the pages use"
    if name in checks:
        checks[name](arguments)


def check_cxrshift(arguments: list[str], *, whole: bool = True) -> None:
    """The command and every option are there, and each value is one that it takes.

    ``whole`` = every argument that must be given is; a mention in running text need not be. Paths are not looked at:
    that a file is there is for whoever runs the line.
    """
    command = command_tree()
    context: Any = command.context_class(command, info_name="cxrshift")
    words = [word for word in arguments if not word.startswith("$") and word not in ("...", "…")]
    while isinstance(command, TyperGroup):
        if not words:
            assert not whole, "a group of commands alone does nothing"
            return
        name, *words = words
        if name.startswith("-"):
            assert name in {option for parameter in command.get_params(context) for option in parameter.opts}, name
            return
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name} in {context.command_path}"
        command, context = found, command.context_class(found, parent=context, info_name=name)
    if "--help" not in words:
        _check_values(command, context, words, whole)


@cache
def command_tree() -> Any:
    """The command and all that is beneath it, of typer's own classes."""
    return get_command(app)


def _check_values(command: Any, context: Any, words: list[str], whole: bool) -> None:
    """The command line's own parser takes ``words``; it raises an error of typer's where it does not."""
    values, rest, _ = command.make_parser(context).parse_args(words)
    for parameter in command.get_params(context):
        try:
            _, rest = parameter.handle_parse_result(context, values, rest)
        except typer.BadParameter as error:
            if whole and not re.search(r"does not exist|is a (file|directory)", error.format_message()):
                raise
    assert not rest, f"{context.command_path} does not take {rest}"


@cache
def make_targets() -> frozenset[str]:
    """The targets that ``make help`` lists."""
    return frozenset(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def _check_make(arguments: list[str]) -> None:
    for word in arguments:
        assert _ASSIGNMENT.match(word) or word in make_targets(), f"make has no target {word}"


def _check_python(arguments: list[str]) -> None:
    """A module or a file that is there, with options that stand in its source or in what it imports from beside it."""
    if arguments[0] == "-m":
        module, *rest = arguments[1:]
        if module in ("pip", "venv", "pytest", "http.server"):
            _check_paths(rest)
            return
        source = module_file(module)
    else:
        source, *rest = ROOT / arguments[0], *arguments[1:]
        assert source.is_file(), f"there is no {arguments[0]}"
    known = set(re.findall(r'"(--[a-z0-9-]+)"', source.read_text("utf-8") + _shared_options(source)))
    for word in rest:
        assert not str(word).startswith("--") or str(word).split("=")[0] in known, f"{source.name} has no option {word}"


def module_file(module: str) -> Path:
    """The source of one of this project's modules that can be run."""
    for top in (ROOT, ROOT / "src"):
        for candidate in (top / f"{module.replace('.', '/')}.py", top / module.replace(".", "/") / "__main__.py"):
            if candidate.is_file():
                return candidate
    raise AssertionError(f"there is no module {module} to run")


def _shared_options(source: Path) -> str:
    """The text of the modules beside ``source`` that it imports: options may be added there."""
    imported = [node for node in ast.walk(ast.parse(source.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    names = {(node.module or "").split(".")[-1] for node in imported}
    return "".join(file.read_text("utf-8") for file in source.parent.glob("*.py") if file.stem in names)


def _check_docker(arguments: list[str]) -> None:
    for option, value in pairwise(arguments):
        if option in ("-f", "--file"):
            assert (ROOT / value).is_file(), f"there is no {value}"
        elif option == "--target":
            assert value in image_targets(), f"the Dockerfile has no target {value}"
        elif option == "--profile":
            assert value in (ROOT / "compose.yaml").read_text("utf-8"), f"compose.yaml has no profile {value}"


def _check_kubectl(arguments: list[str]) -> None:
    for option, value in pairwise(arguments):
        if option == "-k":
            assert (ROOT / value / "kustomization.yaml").is_file(), f"there is no kustomization in {value}"


def _check_pip(arguments: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for word in arguments:
        if named := re.fullmatch(r"(?:cxrshift|\.)\[(.+)\]", word):
            assert set(named[1].split(",")) <= set(extras), f"there is no such extra: {word}"


def _check_paths(words: list[str]) -> None:
    for word in words:
        assert not word.startswith("tests/") or (ROOT / word).exists(), f"there is no {word}"
