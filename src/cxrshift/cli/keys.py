"""``cxrshift keys``: make, list and revoke the API keys of a gateway."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .console import Screen
from .examples import epilog
from .exits import ExitCode, Trouble, errors_told
from .options import AsJson, AsJsonDocument

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Make, list and revoke API keys.",
    epilog=epilog("cxrshift keys create ward-platform --days 365 > ward-platform.key", "cxrshift keys list"),
)


class RoleName(StrEnum):
    """The gateway's Role, without what that imports."""

    EXPLAIN = "explain"
    CLASSIFY = "classify"
    ADMIN = "admin"


KeyFile = Annotated[
    Path,
    typer.Option(
        "--file",
        metavar="FILE",
        envvar="CXRSHIFT_API_KEYS_FILE",
        help="The gateway's file of hashed keys. A running gateway reads it again when it changes.",
    ),
]
_DEFAULT = Path("api-keys.toml")


@app.command(
    epilog=epilog(
        "cxrshift keys create ward-platform --role explain --role classify --days 365 > ward-platform.key",
        "cxrshift keys create ward-platform --json",
    )
)
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who the key is for; it is told in the audit trail.")],
    role: Annotated[
        list[RoleName] | None,
        typer.Option("--role", metavar="ROLE", help="explain, classify or admin; may be given several times."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, metavar="N", help="Days until it expires.", show_default="never")
    ] = None,
    file: KeyFile = _DEFAULT,
    as_json: AsJsonDocument = False,
) -> None:
    """Make a key and print it, this once: the file keeps its hash alone. Without --role it may explain and classify."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..gateway.access.api_keys import make_key, read_keys, write_keys
        from ..gateway.access.callers import Role

        roles = [Role(each) for each in role or ("explain", "classify")]
        expires: date | None = datetime.now(UTC).date() + timedelta(days=days) if days else None
        key = make_key(name, dict.fromkeys(roles), expires=expires)
        known = read_keys(file) if file.exists() else ()
        write_keys(file, (*known, key.stored))
        screen.tell({**key.stored.model_dump(mode="json", exclude={"sha256"}), "key": key.text})
        screen.say(key.text)
        screen.note(f"Key {key.stored.id} for {name} is in {file}; it cannot be shown again.")


@app.command("list", epilog=epilog("cxrshift keys list", "cxrshift keys list --file api-keys.toml --json"))
def list_keys(file: KeyFile = _DEFAULT, as_json: AsJson = False) -> None:
    """List the keys, without their secrets, which nobody has."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..gateway.access.api_keys import read_keys

        _require(file, screen)
        for key in read_keys(file):
            screen.tell(key.model_dump(mode="json", exclude={"sha256"}))
            until = f"until {key.expires}" if key.expires else "without end"
            screen.say(f"{key.id}  {key.name}  {', '.join(key.roles)}  made {key.created}, {until}")


@app.command(epilog=epilog("cxrshift keys revoke 3f2a9c1e"))
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As list tells it.")],
    file: KeyFile = _DEFAULT,
    as_json: AsJsonDocument = False,
) -> None:
    """Take a key away. A running gateway refuses it within a second."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..gateway.access.api_keys import read_keys, write_keys

        _require(file, screen)
        keys = read_keys(file)
        kept = [key for key in keys if key.id != key_id]
        if len(kept) == len(keys):
            wrong = f"{file} has no key {key_id}; cxrshift keys list tells which it has."
            screen.end(Trouble.USAGE, wrong, ExitCode.USAGE)
            raise typer.Exit(ExitCode.USAGE)
        write_keys(file, kept)
        screen.tell({"revoked": key_id})
        screen.note(f"Key {key_id} is revoked.")


def _require(file: Path, screen: Screen) -> None:
    if not file.exists():
        line = f"{file}: there is no such file of keys. cxrshift keys create NAME makes one; --file names another."
        screen.end(Trouble.FILE, line, ExitCode.USAGE)
        raise typer.Exit(ExitCode.USAGE)
