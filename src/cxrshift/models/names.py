"""What a model folder is recognised by. Imports nothing, so that a shell's completion may ask."""

from typing import Final

FILE_NAME: Final = "manifest.toml"
NAME_PATTERN: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
