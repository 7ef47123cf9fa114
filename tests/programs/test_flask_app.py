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


def status(answer: TestResponse) -> str:
    return str(answer.json["status"])  # type: ignore[index]


def texts(answer: TestResponse) -> list[str]:
    return [item["post"]["text"] for item in answer.json["items"]]  # type: ignore[index]


def test_flask_app(site: ModuleType) -> None:
    """A private account lets somebody in, and they talk."""
    ada, bob, eve, nobody = (Client(site, key) for key in (ADA, BOB, EVE, None))
    assert ada("PUT", "/me", private=True).status_code == 200
    post = ada("POST", "/posts", text="hello").json["id"]  # type: ignore[index]
    assert status(bob("PUT", f"/people/{ADA}/follow")) == "requested"
    assert [asked["user"]["key"] for asked in ada("GET", "/requests").json["items"]] == [str(BOB)]  # type: ignore[index]
    assert texts(bob("GET", "/feed")) == []
    assert bob("GET", f"/posts/{post}").status_code == 404

    assert status(ada("PUT", f"/people/{BOB}/request")) == "active"
    assert texts(bob("GET", "/feed")) == ["hello"]
    answer = bob("POST", "/posts", text="hi ada", reply_to=post)
    assert answer.status_code == 201
    assert "hi ada" in ada("GET", f"/posts/{post}").text

    for kind in ("like", "love"):
        assert status(bob("PUT", f"/posts/{post}/reaction", kind=kind)) == "active"
    item = ada("GET", f"/people/{ADA}").json["items"][0]  # type: ignore[index]
    assert item["counts"]["reacted"] == {"love": 1}
    assert texts(bob("GET", f"/people/{ADA}")) == ["hello"]

    assert status(bob("DELETE", f"/posts/{post}/reaction")) == "none"

    for stranger in (eve, nobody):
        assert texts(stranger("GET", f"/people/{ADA}")) == []
        assert stranger("GET", f"/posts/{post}").status_code == 404
    assert eve("PUT", f"/posts/{post}/reaction", kind="like").status_code == 404

    assert status(ada("PUT", f"/people/{BOB}/block")) == "active"
    assert texts(bob("GET", "/feed")) == ["hi ada"]
    assert bob("PUT", f"/people/{ADA}/follow").status_code == 403


def test_a_request_that_is_declined_lets_nobody_in(site: ModuleType) -> None:
    ada, bob = Client(site, ADA), Client(site, BOB)
    ada("PUT", "/me", private=True)
    ada("POST", "/posts", text="hello")
    bob("PUT", f"/people/{ADA}/follow")

    assert ada("DELETE", f"/people/{BOB}/request").status_code == 200
    assert ada("GET", "/requests").json["items"] == []  # type: ignore[index]
    assert texts(bob("GET", "/feed")) == []


def test_errors_are_answers(site: ModuleType) -> None:
    ada, nobody = Client(site, ADA), Client(site, None)
    assert nobody("GET", "/feed").status_code == 401
    assert ada("PUT", f"/people/{ADA}/follow").status_code == 400
    refused = ada("POST", "/posts", text="x" * 10_001)
    assert refused.status_code == 400
    assert refused.json["error"]["code"] == "limit_exceeded"  # type: ignore[index]
    assert ada("GET", "/feed?cursor=made-up").status_code == 400
    assert status(ada("PUT", f"/people/{BOB}/request")) == "none", "nobody has asked"
    assert ada("GET", "/posts/not-an-id").status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/posts", None),
        ("POST", "/posts", b""),
        ("POST", "/posts", b"{"),
        ("POST", "/posts", b"[]"),
        ("POST", "/posts", b'"text"'),
        ("POST", "/posts", b"{}"),
        ("POST", "/posts", b'{"text": null}'),
        ("POST", "/posts", b'{"text": "a\\u0000b"}'),
        ("POST", "/posts", b'{"text": "x", "reply_to": "y"}'),
        ("POST", "/posts", b'{"text": "x", "reply_to": []}'),
        ("POST", "/posts", b'{"text": "' + b"x" * 200_000 + b'"}'),
        ("PUT", "/me", b'{"private": "yes"}'),
        ("PUT", "/me", b"{}"),
        ("PUT", "/posts/1/reaction", b'{"kind": {}}'),
        ("PUT", "/posts/1/reaction", b"{}"),
        ("GET", "/posts/99999999999999999999", None),
        ("GET", "/feed?cursor=%00", None),
        ("PUT", "/people/somebody/follow", None),
        ("PUT", f"/people/{UUID(int=1)}/marry", None),
    ],
)
def test_a_request_that_makes_no_sense_is_the_clients_fault(
    site: ModuleType, method: str, path: str, body: bytes | None
) -> None:
    sent = {} if body is None else {"data": body, "content_type": "application/json"}
    answer = site.app.test_client().open(path, method=method, headers={"X-User": str(ADA)}, **sent)
    assert 400 <= answer.status_code < 500, answer.text


def test_whoever_is_not_logged_in_or_wrongly_is_told(site: ModuleType) -> None:
    for headers in ({}, {"X-User": ""}, {"X-User": "ada"}):
        assert site.app.test_client().get("/feed", headers=headers).status_code == 401


def test_pages_go_on(site: ModuleType) -> None:
    ada = Client(site, ADA)
    for n in range(25):
        ada("POST", "/posts", text=str(n))
    first = ada("GET", "/feed")
    second = ada("GET", f"/feed?cursor={first.json['next_cursor']}")  # type: ignore[index]
    assert texts(first) + texts(second) == [str(n) for n in reversed(range(25))]
