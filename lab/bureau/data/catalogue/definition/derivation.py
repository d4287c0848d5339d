"""Grade and credit use of derived items: the highest of their sources, unless a steward lowered it with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lab.bureau.data.catalogue.item_definition import CreditUse, Item
from lab.terms.text.known_names import describe_unknown_name
from lab.terms.text.nearest_name import nearest_name
from models.shared.catalogue_words import SensitivityGrade


class ItemDerivation:
    """Settles all items of a catalogue; ``faults`` are by domain.

    ``stated_grades`` and ``stated_uses`` have the items whose file states them, by code.
    """

    def __init__(
        self,
        items: Mapping[str, Item],
        stated_grades: Mapping[str, SensitivityGrade],
        stated_uses: Mapping[str, CreditUse],
    ) -> None:
        self._items = items
        self._grades = stated_grades
        self._uses = stated_uses
        self._settled: dict[str, Item] = {}
        self.faults: dict[str, list[str]] = {}

    def settle_all(self) -> dict[str, Item]:
        """Every item with its grade and credit use, by code."""
        for code in self._order():
            self._settled[code] = self._settle(self._items[code])
        return self._settled

    def _order(self) -> list[str]:
        """Sources before what derives from them; an item that derives from itself is a fault."""
        order: list[str] = []
        state: dict[str, bool] = {}
        for start in self._items:
            stack = [(start, False)]
            while stack:
                code, done = stack.pop()
                if done:
                    state[code] = True
                    order.append(code)
                elif code not in state:
                    state[code] = False
                    stack.append((code, True))
                    for source in self._items[code].derived_from:
                        if source not in self._items:
                            self._fault(
                                code, f"no item {describe_unknown_name(source, nearest_name(source, self._items))}"
                            )
                        elif state.get(source) is False:
                            self._fault(code, "derived from itself")
                        else:
                            stack.append((source, False))
        return order

    def _settle(self, item: Item) -> Item:
        sources = [self._settled[code] for code in item.derived_from if code in self._settled]
        if not sources:
            if item.lowered_reason:
                self._fault(item.code, "a lowered_reason expected only of a derived item that is graded lower")
            if item.code not in self._grades:
                self._fault(item.code, "grade is missing")
            return item
        highest = max((source.grade for source in sources), key=lambda grade: grade.rank)
        strictest = max((source.credit_use for source in sources), key=lambda use: use.rank)
        grade = self._grades.get(item.code, highest)
        use = self._uses.get(item.code, strictest)
        if grade.rank < highest.rank and not item.lowered_reason:
            self._fault(item.code, f"graded {grade}, below its sources ({highest}), without a lowered_reason")
        if grade.rank >= highest.rank and item.lowered_reason:
            self._fault(item.code, "a lowered_reason expected only of a derived item that is graded lower")
        if use.rank < strictest.rank and (strictest is CreditUse.FORBIDDEN or not item.credit_use_reason):
            self._fault(item.code, f"credit_use {use}, less than its sources ({strictest})")
        if any(source.personal for source in sources) and not item.personal:
            self._fault(item.code, "personal expected: one of its sources is")
        return replace(item, grade=grade, credit_use=use)

    def _fault(self, code: str, words: str) -> None:
        domain, _, name = code.partition(".")
        self.faults.setdefault(domain, []).append(f"items.{name}: {words}")
