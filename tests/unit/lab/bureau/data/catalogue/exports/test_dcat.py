"""The DCAT export: pinned SHACL shapes hold of it, and fail for every promise that is broken."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import date
from importlib.resources import files
from typing import Any

import pytest
from pyshacl import validate
from rdflib import DCAT, DCTERMS, Dataset, Graph, Literal, URIRef

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.catalogue.exports.dcat import catalogue_as_dcat, dcat_document

Document = dict[str, Any]


def shapes() -> Graph:
    text = (files("lab.bureau.data.catalogue.exports") / "dcat-shapes.ttl").read_text(encoding="utf-8")
    return Graph().parse(data=text, format="turtle")


def graph_of(document: Document | bytes) -> Graph:
    data = document.decode() if isinstance(document, bytes) else json.dumps(document)
    dataset = Dataset()
    dataset.parse(data=data, format="json-ld")
    graph = Graph()
    for subject, predicate, value, _ in dataset.quads():
        graph.add((subject, predicate, value))
    return graph


def conforms(document: Document) -> bool:
    return bool(validate(graph_of(document), shacl_graph=shapes(), advanced=False)[0])


@pytest.fixture
def small() -> Document:
    """The export of one domain with personal items."""
    document = dcat_document(default_catalogue(), "示例数据局", 3, date(2026, 4, 1))
    document["dcat:dataset"] = document["dcat:dataset"][:1]
    found: Document = json.loads(json.dumps(document))
    return found


def test_the_whole_catalogue_fits_the_shapes() -> None:
    made = catalogue_as_dcat(default_catalogue(), publisher="示例数据局", version=0, issued=date(2026, 4, 1))
    graph = graph_of(made["catalogue.dcat.jsonld"])
    fits, _, report = validate(graph, shacl_graph=shapes())
    assert fits, report
    catalogue = URIRef(f"urn:shulab:catalogue:{default_catalogue().sha256}")
    datasets = set(graph.objects(catalogue, DCAT.dataset))
    assert len(datasets) == 15
    assert URIRef("urn:shulab:dataset:tax") in datasets
    titles = graph.objects(URIRef("urn:shulab:dataset:tax"), DCTERMS.title)
    labels = {label.language: str(label) for label in titles if isinstance(label, Literal)}
    assert labels == {"zh": "税务", "en": "Tax"}
    columns = set(graph.subjects(None, URIRef("http://www.w3.org/ns/csvw#Column")))
    assert len(columns) == 119


def test_nothing_is_fetched_to_read_it(small: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert conforms(small)


def _column(document: Document, name: str) -> Document:
    columns = document["dcat:dataset"][0]["dct:conformsTo"]["csvw:column"]["@list"]
    found: Document = next(one for one in columns if one["csvw:name"] == name)
    return found


def _dataset(document: Document) -> Document:
    found: Document = document["dcat:dataset"][0]
    return found


BREACHES: dict[str, Callable[[Document], object]] = {
    "no English title": lambda d: _dataset(d)["dct:title"].pop(),
    "a title in a third language": lambda d: _dataset(d)["dct:title"].append({"@language": "fr", "@value": "x"}),
    "no owner": lambda d: _dataset(d).pop("dct:publisher"),
    "no frequency": lambda d: _dataset(d).pop("dct:accrualPeriodicity"),
    "another frequency": lambda d: _dataset(d).update({"dct:accrualPeriodicity": {"@id": "urn:x"}}),
    "no access rights": lambda d: _dataset(d).pop("dct:accessRights"),
    "no columns": lambda d: _dataset(d)["dct:conformsTo"].pop("csvw:column"),
    "an empty list of columns": lambda d: _dataset(d)["dct:conformsTo"].update({"csvw:column": {"@list": []}}),
    "no version": lambda d: d.pop("dcat:version"),
    "no day of issue": lambda d: d.pop("dct:issued"),
    "no digest": lambda d: d.pop("dct:identifier"),
    "no definition": lambda d: _column(d, "status").pop("dct:description"),
    "no grade": lambda d: _column(d, "status").pop("shulab:grade"),
    "another grade": lambda d: _column(d, "status").update({"shulab:grade": "secret"}),
    "no legal basis": lambda d: _column(d, "status").pop("shulab:legalBasis"),
    "no retention": lambda d: _column(d, "status").pop("shulab:retention"),
    "no mark of personal information": lambda d: _column(d, "status").pop("shulab:personal"),
    "an unknown form": lambda d: _column(d, "status").update({"shulab:releaseForm": ["post-card"]}),
    "a code without words": lambda d: _column(d, "status")["shulab:codeList"]["skos:hasTopConcept"][0].pop(
        "skos:prefLabel"
    ),
    "a personal item as input of a model": lambda d: _column(d, "legal_representative").update(
        {"shulab:releaseForm": ["verification", "model-input"]}
    ),
    "a forbidden item in a portrait": lambda d: _column(d, "status").update({"shulab:creditUse": "forbidden"}),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_each_broken_promise_is_found(small: Document, breach: str) -> None:
    broken = copy.deepcopy(small)
    BREACHES[breach](broken)
    assert not conforms(broken)


def test_the_bytes_depend_on_the_catalogue_alone() -> None:
    first, second = (
        catalogue_as_dcat(default_catalogue(), publisher="甲", version=1, issued=date(2026, 1, 1)) for _ in range(2)
    )
    assert first == second
