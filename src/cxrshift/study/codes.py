"""Readers' codes: twelve random letters and digits, shown once and kept as salted hashes."""

from __future__ import annotations

import hashlib
import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's 32: no I, L, O or U, which people read as 1, 1, 0 and V."""
LENGTH = 12
"""60 random bits: beside a limit on tries nobody guesses one."""
SALT_BYTES = 16
"""Random bytes that are hashed with every code of a study."""
_MISREAD = str.maketrans({"I": "1", "L": "1", "O": "0", "U": "V"})


def make_code() -> str:
    """A new code, in groups of four as a person types it: ``7KQ2-M9TX-W4BD``."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(letters[i : i + 4] for i in range(0, LENGTH, 4))


def hash_code(code: str, salt: bytes) -> bytes:
    """The 32 bytes that a study keeps of a code; spaces, hyphens, case and misread letters make no difference.

    scrypt (RFC 7914) with 16 MiB, since a code is shorter than a key: whoever holds the file can try few.
    """
    plain = "".join(letter for letter in code.upper() if letter.isalnum()).translate(_MISREAD)
    return hashlib.scrypt(plain.encode(), salt=salt, n=1 << 14, r=8, p=1, dklen=32)


def hash_token(token: str) -> bytes:
    """The 32 bytes that a study keeps of a session's token, whose 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()
