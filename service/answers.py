"""One catalog's answers, encoded: a question asked twice is worked out once."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from service.recommendation.compare import compare
from service.recommendation.hardware import recommend_hardware
from service.recommendation.predict import predict
from service.recommendation.recommend import recommend

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelpicker.wire.questions import CompareQuestion, HardwareQuestion, PredictQuestion, RecommendQuestion

    from catalog.catalog import Catalog

Q = TypeVar("Q")


class Answers:
    """Answers questions of one catalog, which never changes; a new catalog gets a new object."""

    def __init__(self, catalog: Catalog, cached: int) -> None:
        self.catalog = catalog
        self._cached = cached
        self._kept: OrderedDict[object, bytes] = OrderedDict()
        self._lock = Lock()

    @property
    def etag(self) -> str:
        """Validator of every answer: the catalog's version."""
        return f'"{self.catalog.version}"'

    def recommend(self, question: RecommendQuestion) -> bytes:
        """Encoded answer of /recommend."""
        return self._once(question, lambda q: recommend(self.catalog, q).model_dump_json().encode())

    def predict(self, question: PredictQuestion) -> bytes:
        """Encoded answer of /predict for one config."""
        return self._once(question, lambda q: predict(self.catalog, q).model_dump_json().encode())

    def recommend_hardware(self, question: HardwareQuestion) -> bytes:
        """Encoded answer of /recommend/hardware."""
        return self._once(question, lambda q: recommend_hardware(self.catalog, q).model_dump_json().encode())

    def compare(self, question: CompareQuestion) -> bytes:
        """Encoded answer of /compare."""
        return self._once(question, lambda q: compare(self.catalog, q).model_dump_json().encode())

    def _once(self, question: Q, work: Callable[[Q], bytes]) -> bytes:
        key = (type(question), question)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        answer = work(question)
        with self._lock:
            self._kept[key] = answer
            while len(self._kept) > self._cached:
                self._kept.popitem(last=False)
        return answer
