"""A small social site behind Flask: UUID users, private accounts, one reaction per person."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest
from werkzeug.test import TestResponse

from tests.programs.loading import load

ADA, BOB, EVE = uuid4(), uuid4(), uuid4()


class Client:
    """Requests of somebody."""

    def __init__(self, module: ModuleType, key: UUID | None) -> None:
        self._client, self._headers = module.app.test_client(), {"X-User": str(key)} if key else {}

    def __call__(self, method: str, path: str, **sent: Any) -> TestResponse:
        answer: TestResponse = self._client.open(
            path, method=method, headers=self._headers, json=sent or None
        )
        return answer


@pytest.fixture
def site(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    site = load("flask_app")
    site.feed.migrate()
    yield site
    site.feed.close()


def texts(answer: TestResponse) -> list[str]:
    return [item["post"]["text"] for item in answer.json["items"]]  # type: ignore[index]


def test_flask_app(site: ModuleType) -> None:
    """A private account lets somebody in, and they talk."""
    ada, bob, eve, nobody = (Client(site, key) for key in (ADA, BOB, EVE, None))
    assert ada("PUT", "/me", private=True, handle="ada").status_code == 200
    post = ada("POST", "/posts", text="hello").json["id"]  # type: ignore[index]
    assert bob("PUT", f"/people/{ADA}/follow").json == {"status": "requested"}
    assert texts(bob("GET", "/feed")) == []
    assert bob("GET", f"/posts/{post}").status_code == 404

    assert ada("PUT", f"/requests/{BOB}").json == {"status": "active"}
    assert texts(bob("GET", "/feed")) == ["hello"]
    answer = bob("POST", "/posts", text="hi ada", reply_to=post)
    assert answer.status_code == 201
    assert "hi ada" in ada("GET", f"/posts/{post}").text

    for kind in ("like", "love"):
        assert bob("PUT", f"/posts/{post}/reaction", kind=kind).status_code == 204
    item = ada("GET", f"/people/{ADA}").json["items"][0]  # type: ignore[index]
    assert item["counts"]["reacted"] == {"love": 1}
    assert texts(bob("GET", f"/people/{ADA}")) == ["hello"]

    for stranger in (eve, nobody):
        assert texts(stranger("GET", f"/people/{ADA}")) == []
        assert stranger("GET", f"/posts/{post}").status_code == 404
    assert eve("PUT", f"/posts/{post}/reaction", kind="like").status_code == 404


def test_errors_are_answers(site: ModuleType) -> None:
    ada, nobody = Client(site, ADA), Client(site, None)
    assert nobody("GET", "/feed").status_code == 401
    assert ada("PUT", f"/people/{ADA}/follow").status_code == 400
    refused = ada("POST", "/posts", text="x" * 10_001)
    assert refused.status_code == 400
    assert refused.json["error"]["code"] == "limit_exceeded"  # type: ignore[index]
    assert ada("GET", "/feed?limit=0").status_code == 400
    assert ada("PUT", f"/requests/{BOB}").json == {"status": "none"}, "nobody has asked"
    assert ada("GET", "/posts/not-an-id").status_code == 400


def test_pages_go_on(site: ModuleType) -> None:
    ada = Client(site, ADA)
    for n in range(5):
        ada("POST", "/posts", text=str(n))
    first = ada("GET", "/feed?limit=3")
    second = ada("GET", f"/feed?cursor={first.json['next_cursor']}")  # type: ignore[index]
    assert texts(first) + texts(second) == list("43210")
