"""What was made for the keys asked for last, so that it is not made again."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache, wraps
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Made = TypeVar("Made")
Work = TypeVar("Work", bound="Callable[..., Any]")


class Recent(Generic[Made]):
    """Keeps what was made for at most so many keys, those asked for last. Threads may share it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Made] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What is kept for the key; where nothing is, what ``make`` makes."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made


_forgets: list[Callable[[], None]] = []
"""One for each function that is kept of facts."""


def kept_of_facts(most: int) -> Callable[[Work], Work]:
    """Keeps what a function makes of facts, for at most so many arguments, until ``forget_facts``.

    Facts are told apart by identity: comparing whole records takes longer than keeping saves. Words, numbers and named
    arguments are told apart by value.
    """

    def keep(work: Work) -> Work:
        def anew(*keys: Any, **named: Any) -> Any:
            return work(*(key.it if type(key) is _Same else key for key in keys), **named)

        kept = lru_cache(maxsize=most)(anew)
        _forgets.append(kept.cache_clear)

        @wraps(work)
        def found(*args: Any, **named: Any) -> Any:
            return kept(*(arg if isinstance(arg, str | int) else _Same(arg) for arg in args), **named)

        return cast("Work", found)

    return keep


def forget_facts() -> None:
    """Drop all that is kept of facts, for when a new catalog takes their place."""
    for forget in _forgets:
        forget()


class _Same:
    """A fact as a key, told from others by identity; while it is kept no other has its place."""

    __slots__ = ("it",)

    def __init__(self, it: Any) -> None:
        self.it = it

    def __hash__(self) -> int:
        return id(self.it)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.it is other.it
