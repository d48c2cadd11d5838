"""What the encoder and the classifier made of the latest radiographs, so that one asked about again costs less."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

from torch import Tensor

from cxrshift_api.types import FileDigest, Float32Array

from .quality import Likeness


@dataclass(frozen=True, eq=False)
class Encoding:
    """What of one prepared radiograph is the same whatever is asked about it.

    ``latent`` (...) float32 where the networks are, ``scores`` (F,) of the radiograph itself, in [0, 1] or NaN,
    ``likeness`` once an explanation has shown its reconstruction.
    """

    latent: Tensor
    scores: Float32Array
    likeness: Likeness | None = None


class RecentEncodings:
    """The encodings of the last ``most`` radiographs, by a hash of their pixels and of the model's files.

    It holds no pixel, no request and nothing of a caller, and never alters a result: what it gives back is what the
    same pixels gave before, to the bit. Safe to share between threads. Raises ValueError where ``most`` is negative.
    """

    def __init__(self, most: int, files: Sequence[FileDigest] = ()) -> None:
        if most < 0:
            raise ValueError("a number of encodings to keep must not be negative; 0 keeps none")
        self._most = most
        self._model = "".join(file.sha256 for file in files).encode()
        self._encodings: OrderedDict[bytes, Encoding] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._encodings)

    def key(self, image: Tensor) -> bytes:
        """The SHA-256 of the model's files and of a prepared ``image`` (1, S, S), float32 in model units on the CPU."""
        return hashlib.sha256(self._model + image.numpy().tobytes()).digest() if self._most else b""

    def find(self, key: bytes) -> Encoding | None:
        """What is kept under ``key``, which counts as used now."""
        with self._lock:
            if key in self._encodings:
                self._encodings.move_to_end(key)
            return self._encodings.get(key)

    def keep(self, key: bytes, encoding: Encoding) -> None:
        """Keep ``encoding``, and forget those that went unused for longest where there are too many."""
        if not self._most:
            return
        own = replace(encoding, latent=encoding.latent.clone(), scores=encoding.scores.copy())  # no view of a batch
        own.scores.setflags(write=False)  # an explanation will hand them out
        with self._lock:
            self._encodings[key] = own
            self._encodings.move_to_end(key)
            while len(self._encodings) > self._most:
                self._encodings.popitem(last=False)
