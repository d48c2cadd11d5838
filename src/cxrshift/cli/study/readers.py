"""``cxrshift study readers``: who may open a study, and their codes."""

from __future__ import annotations

from typing import Annotated

import typer

from ..console import Screen
from ..examples import epilog
from ..exits import errors_told
from ..options import AsJson
from .options import StudyFile

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Add, list and revoke readers.",
    epilog=epilog("cxrshift study readers add study.sqlite R1", "cxrshift study readers list study.sqlite"),
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As list tells it.")]
ADD_EPILOG = """
[bold]Examples[/bold]

cxrshift study readers add study.sqlite R1

cxrshift study readers add study.sqlite me --admin

The code is printed on standard output, this once: the study keeps a salted hash of it. The name stands in the \
exported tables; choose a pseudonym.
"""


@app.command(epilog=ADD_EPILOG)
def add(
    study: StudyFile,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="As it will stand in the tables.", show_default="the next number")
    ] = "",
    admin: Annotated[
        bool, typer.Option("--admin", help="An administrator's code: opens /admin and reads no cases.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a reader and print the code that opens the study."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ...study.database import Database
        from ...study.people import add_person
        from ...study.records import Role

        with Database(study) as database:
            new = add_person(database, name, Role.ADMIN if admin else Role.READER)
        screen.tell({"name": new.person.name, "role": new.person.role, "code": new.code})
        screen.say(new.code)
        if not as_json:
            screen.note(f"The code of {new.person.name} ({new.person.role}); it cannot be shown again.")


@app.command("list", epilog="[bold]Example[/bold]\n\ncxrshift study readers list study.sqlite")
def list_readers(study: StudyFile, as_json: AsJson = False) -> None:
    """List readers and administrators, without their codes, which nobody has."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ...study.database import Database
        from ...study.people import list_people

        with Database(study) as database:
            people = list_people(database)
        for person in people:
            screen.tell({"name": person.name, "role": person.role, "has_code": not person.revoked})
            screen.say(f"{person.name:20} {person.role:7} {'no code' if person.revoked else ''}".rstrip())


@app.command(epilog="[bold]Example[/bold]\n\ncxrshift study readers renew study.sqlite R1")
def renew(study: StudyFile, name: Name, as_json: AsJson = False) -> None:
    """Give a reader who lost the code another; answers stay, the old code and its sessions end."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ...study.database import Database
        from ...study.people import renew_code

        with Database(study) as database:
            new = renew_code(database, name)
        screen.tell({"name": new.person.name, "role": new.person.role, "code": new.code})
        screen.say(new.code)


@app.command(epilog="[bold]Example[/bold]\n\ncxrshift study readers revoke study.sqlite R1")
def revoke(study: StudyFile, name: Name, as_json: AsJson = False) -> None:
    """Take a reader's code away, at once; the answers stay in the study."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ...study.database import Database
        from ...study.people import revoke_code

        with Database(study) as database:
            person = revoke_code(database, name)
        screen.tell({"name": person.name, "revoked": True})
        screen.say(f"{person.name} has no code any more")
