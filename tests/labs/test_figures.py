"""The interactive figures' numbers, as a browser gets them."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labs import figures as served
from workers import figures
from workers.forward import Model


@pytest.fixture(autouse=True)
def _nothing_computed_yet() -> Iterator[None]:
    served._computed.cache_clear()
    yield
    served._computed.cache_clear()


@pytest.mark.parametrize("name", figures.FIGURES)
def test_anybody_gets_the_numbers_of_every_figure(client: Client, name: str) -> None:
    response = client.get(f"/figures/{name}.json")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "public, no-cache"
    # Dataclass, JSON and back: tuples have become lists, and nothing else has changed.
    assert response.json() == json.loads(json.dumps(asdict(figures.compute(name))))


def test_a_figure_is_computed_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Model] = []
    compute = figures.FIGURES["head-shapes"]

    def counted(model: Model) -> Any:
        asked.append(model)
        return compute(model)

    monkeypatch.setitem(figures.FIGURES, "head-shapes", counted)
    url = reverse("labs:figure", kwargs={"name": "head-shapes"})
    assert client.get(url).content == client.get(url).content
    assert len(asked) == 1


def test_a_browser_that_has_it_is_told_so(client: Client) -> None:
    url = "/figures/norms.json"
    first = client.get(url)
    for header, value in (
        ("If-None-Match", first.headers["ETag"]),
        ("If-Modified-Since", first.headers["Last-Modified"]),
    ):
        again = client.get(url, headers={header: value})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["ETag"] == first.headers["ETag"]
    assert client.get(url, headers={"If-None-Match": '"another"'}).status_code == 200


def test_an_unknown_figure_is_404_and_remembered_nowhere(client: Client) -> None:
    assert client.get("/figures/no-such-figure.json").status_code == 404
    assert served._computed.cache_info().currsize == 0


def test_figures_are_read_only(client: Client) -> None:
    assert client.post("/figures/norms.json").status_code == 405
