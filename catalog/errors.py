"""What can go wrong when the catalog is asked.

Each says what was asked and what would do::

CatalogError
├── UnknownIdError       no such model, quant, engine or hardware
├── NotComputableError   the config is known, but physics lacks a number for it
└── BrokenCatalogError   the file is not a catalog, or not one this version reads
"""

from __future__ import annotations


class CatalogError(Exception):
    """Base of all errors of the catalog."""


class UnknownIdError(CatalogError):
    """``kind`` (model, quant, engine, hardware) has no ``name``; ``nearest`` are known names like it."""

    def __init__(self, kind: str, name: str, nearest: tuple[str, ...] = ()) -> None:
        hint = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
        super().__init__(f"no {kind} is called {name!r}{hint}")
        self.kind = kind
        self.name = name
        self.nearest = nearest


class NotComputableError(CatalogError):
    """Physics lacks a number for the config; the message says which."""


class BrokenCatalogError(CatalogError):
    """The file is not a catalog, or not one this version reads."""


class LedgerError(CatalogError):
    """The ledger cannot be written or read; nothing was kept of the batch. ``full`` where the disk is."""

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full
