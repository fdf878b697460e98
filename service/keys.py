"""API keys: made here, shown once, kept as hashes in a file that is read again when it changes.

A line of the file is ``name scope[,scope] sha256``. Taking a line out, or adding one, takes effect at the next request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

WRITE = "measurements:write"
SCOPES = (WRITE,)
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
KEY_BYTES = 24


class Key(NamedTuple):
    """Who a key belongs to and what it may do."""

    name: str
    scopes: frozenset[str]
    digest: str


def make(name: str, scopes: tuple[str, ...] = (WRITE,)) -> tuple[str, str]:
    """A new key, and the line that lets it in. Raises ValueError for a bad name or an unknown scope."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name: a-z, 0-9 and dashes")
    for scope in scopes:
        if scope not in SCOPES:
            raise ValueError(f"{scope!r} is no scope: known are {', '.join(SCOPES)}")
    key = f"mp_{secrets.token_urlsafe(KEY_BYTES)}"
    return key, f"{name} {','.join(scopes)} {_digest(key)}"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    """The keys of a file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._keys: tuple[Key, ...] = ()

    def find(self, authorization: str) -> Key | None:
        """Whose bearer token it is. Every key is compared, each in constant time."""
        scheme, _, token = authorization.partition(" ")
        digest = _digest(token.strip())
        found = None
        for key in self._load():
            if hmac.compare_digest(key.digest, digest) and scheme.lower() == "bearer":
                found = key
        return found

    def _load(self) -> tuple[Key, ...]:
        try:
            stat = self._path.stat() if self._path else None
        except OSError:
            stat = None
        if stat is None or self._path is None:
            return ()
        mark = (stat.st_mtime_ns, stat.st_size)
        if mark != self._seen:
            lines = (line.split() for line in self._path.read_text(encoding="utf-8").splitlines())
            self._keys = tuple(
                Key(words[0], frozenset(words[1].split(",")), words[2]) for words in lines if len(words) == 3
            )
            self._seen = mark
        return self._keys
