"""The environment variables ``CXRSHIFT_...``: whether each is known and can be read. Values are never told."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from .checks import Check, State

TOPIC = "Settings"
PREFIX = "CXRSHIFT_"
COMMAND_VARIABLES = {
    "CXRSHIFT_SERVER": "the service that the command asks",
    "CXRSHIFT_TOKEN_FILE": "a file with the API key or token to show",
    "CXRSHIFT_CA_FILE": "a PEM file of authorities to trust",
    "CXRSHIFT_MODEL_STORE": "a folder of model folders, looked into first",
    "CXRSHIFT_DATA_HOME": "where pulled and imported models go",
    "CXRSHIFT_EXPORT_CACHE": "where exported networks are kept",
}
"""Those that are no setting of the gateway."""
_OF_COMPOSE_AND_TESTS = ("BIND", "IMAGE", "GATEWAY_IMAGE", "TEST_IMAGE", "FAULTS_OUT", "STUDIES")
"""Read by compose.yaml and by this project's own tests."""
_READ_FILES = ("TOKEN_FILE", "CA_FILE", "API_KEYS_FILE", "TLS_CERTIFICATE", "TLS_KEY", "TLS_CLIENT_CA")
_READ_FOLDERS = ("MODEL_STORE", "SAMPLES")
_KUBERNETES = re.compile(r"CXRSHIFT_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)")
"""What Kubernetes sets in every container beside a Service whose name begins so."""


def check_variables(environment: Mapping[str, str]) -> Iterator[Check]:
    """Unknown names with the nearest known one, values that cannot be read, files that are not there."""
    given = sorted(name for name in environment if name.startswith(PREFIX))
    known = {**gateway_variables(), **COMMAND_VARIABLES, **{PREFIX + name: "" for name in _OF_COMPOSE_AND_TESTS}}
    services = [name for name in given if name not in known and _is_kubernetes(name, environment[name])]
    unknown = [name for name in given if name not in known and name not in services]
    troubles = [*(_tell_unknown(name, known) for name in unknown), *_tell_wrong(environment), *_tell_files(environment)]
    sound = [name for name in given if name in known and name not in {check.name for check in troubles}]
    yield Check(TOPIC, "environment", State.OK, _list(sound))
    if services:
        found = f"{len(services)} of Kubernetes for its Services, which nothing reads"
        yield Check(TOPIC, "environment", State.SKIP, found)
    yield from troubles


def gateway_variables() -> Mapping[str, str]:
    """The variable of each setting of the gateway, and the setting."""
    from ..config import Settings

    return {PREFIX + name.upper(): name for name in Settings.model_fields}


def _is_kubernetes(name: str, value: str) -> bool:
    return bool(_KUBERNETES.fullmatch(name)) or (name.endswith("_PORT") and value.startswith(("tcp://", "udp://")))


def _tell_unknown(name: str, known: Mapping[str, str]) -> Check:
    ends = [each.removeprefix(PREFIX) for each in known]
    near = get_close_matches(name.removeprefix(PREFIX), ends, 1, 0.7)
    remedy = f"Do you mean {PREFIX}{near[0]}?" if near else "docs/command-line.md lists those that there are."
    return Check(TOPIC, name, State.WARN, "is set, and nothing reads it", remedy)


def _tell_wrong(environment: Mapping[str, str]) -> Iterator[Check]:
    """Those that the gateway would not start with."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from ..config import Settings

    ours = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    try:
        read_settings(ours)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            field = str(fault["loc"][0]) if fault["loc"] else ""
            message = fault["msg"].removeprefix("Value error, ")
            name = PREFIX + field.upper() if field in Settings.model_fields else "the gateway's settings"
            yield Check(TOPIC, name, State.FAIL, f"cannot be used: {message}", _how(field))
    except SettingsError as error:
        field = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "")
        yield Check(
            TOPIC, PREFIX + field.upper(), State.FAIL, "cannot be read: it must be JSON", 'Write it as ["one", "two"].'
        )


def read_settings(environment: Mapping[str, str]) -> object:
    """The gateway's settings out of these variables. Raises pydantic's ValidationError and SettingsError."""
    from pydantic_settings import EnvSettingsSource, PydanticBaseSettingsSource

    from ..config import Settings

    class Given(EnvSettingsSource):
        """Reads what was passed in instead of the process's own environment."""

        def _load_env_vars(self) -> Mapping[str, str | None]:
            return {name.lower(): value for name, value in environment.items()}

    class Read(Settings):
        """The settings of one environment."""

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type, *sources: PydanticBaseSettingsSource, **named: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (Given(settings_cls),)

    return Read()


def _tell_files(environment: Mapping[str, str]) -> Iterator[Check]:
    for ends in (*_READ_FILES, *_READ_FOLDERS):
        path = environment.get(PREFIX + ends)
        if not path:
            continue
        right = Path(path).is_dir() if ends in _READ_FOLDERS else Path(path).is_file()
        kind = "folder" if ends in _READ_FOLDERS else "file"
        if not right:
            yield Check(
                TOPIC, PREFIX + ends, State.FAIL, f"names {path}, where there is no such {kind}", "Mend the path."
            )
        elif not os.access(path, os.R_OK):
            remedy = f"Let this user read it: chmod u+r {path}"
            yield Check(TOPIC, PREFIX + ends, State.FAIL, f"names {path}, which this user may not read", remedy)


def _how(field: str) -> str:
    from ..config import Settings

    if field not in Settings.model_fields:
        return "Mend these settings together; src/cxrshift/config.py says what each is."
    default = Settings.model_fields[field].default
    return f"Unset it, or write one like its default: {default}" if default not in (None, "", ()) else "Unset it."


def _list(names: list[str]) -> str:
    if not names:
        return "every setting of cxrshift has its default"
    return f"{len(names)} set and sound: {', '.join(names)}"
