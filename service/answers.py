"""One catalog's answers, encoded: a question asked twice is worked out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from catalog.recent import Recent
from service.recommendation.compare import compare
from service.recommendation.hardware import recommend_hardware
from service.recommendation.predict import predict
from service.recommendation.recommend import consider, encoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelpicker.wire.questions import CompareQuestion, HardwareQuestion, PredictQuestion, RecommendQuestion

    from catalog.catalog import Catalog

Q = TypeVar("Q")


class Answers:
    """Answers questions of one catalog, which never changes; a new catalog gets a new object."""

    def __init__(self, catalog: Catalog, cached: int) -> None:
        self.catalog = catalog
        self._kept: Recent[bytes] = Recent(cached)

    @property
    def etag(self) -> str:
        """Validator of every answer: the catalog's version."""
        return f'"{self.catalog.version}"'

    def recommend(self, question: RecommendQuestion) -> bytes:
        """Encoded answer of /recommend."""
        return self._once(question, lambda q: encoded(self.catalog, q, consider(self.catalog, q)))

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
        return self._kept.get((type(question), question), lambda: work(question))
