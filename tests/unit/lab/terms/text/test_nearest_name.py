"""The nearest known name is found whatever the case, and none is named that does not look alike."""

from __future__ import annotations

from lab.terms.text.nearest_name import nearest_name


def test_the_nearest_known_name_is_found() -> None:
    assert nearest_name("dimention", ("code", "dimension", "domain")) == "dimension"
    assert nearest_name("NAICSX", ("NAICS", "NoEmp")) == "NAICS"
    assert nearest_name("naics", ("NAICS",)) == "NAICS"
    assert nearest_name("level", ("code", "grade")) is None
    assert nearest_name("a", ()) is None
