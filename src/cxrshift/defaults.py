"""What holds where nothing else is said, for the command and the gateway alike. Imports nothing."""

from typing import Final

DEFAULT_MODEL: Final = "cxr-small"
"""The model for uploads: the one that has seen real radiographs. ``phantom`` is the demonstration's."""
