"""Program (b), in its synchronous form: FastAPI, UUID users, dependency injection."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from tests.programs.loading import load

ADA, BOB = uuid4(), uuid4()


@pytest.fixture
def client(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    with TestClient(load("fastapi_app").app) as client:
        yield client


def user(key: UUID) -> dict[str, str]:
    return {"X-User": str(key)}


def test_fastapi_app(client: TestClient, database_url: str) -> None:
    assert client.put(f"/people/{ADA}/follow", headers=user(BOB)).json() == {"status": "active"}
    made = client.post("/posts", params={"text": "hi"}, headers=user(ADA))
    assert made.status_code == 201
    post_id = made.json()["id"]
    assert isinstance(post_id, str)
    assert client.put(f"/posts/{post_id}/like", headers=user(BOB)).status_code == 204

    item = client.get("/feed", headers=user(BOB)).json()["items"][0]
    assert item["post"]["text"] == "hi"
    assert item["post"]["ref"] == "document:1"
    assert item["author"]["key"] == str(ADA)
    assert item["counts"]["reactions"] == 1
    assert item["viewer"]["reacted"] == ["like"]
    assert client.get(f"/posts/{post_id}").json()["viewer"]["reacted"] == []


def test_pages_go_on(client: TestClient) -> None:
    for n in range(5):
        client.post("/posts", params={"text": str(n)}, headers=user(ADA))
    first = client.get("/feed", params={"limit": 3}, headers=user(ADA)).json()
    second = client.get("/feed", params={"cursor": first["next_cursor"]}, headers=user(ADA)).json()
    assert [item["post"]["text"] for item in first["items"] + second["items"]] == list("43210")


def test_errors_are_answers(client: TestClient, database_url: str) -> None:
    absent = client.get("/posts/12345")
    assert absent.status_code == 404
    assert absent.json()["error"]["code"] == "not_found"
    assert client.get("/feed", params={"limit": 0}, headers=user(ADA)).status_code == 400
    assert (
        client.get("/feed", params={"cursor": "x"}, headers=user(ADA)).json()["error"]["code"]
        == "invalid_cursor"
    )
    assert client.put(f"/people/{ADA}/follow", headers=user(ADA)).status_code == 400

    too_long = client.post("/posts", params={"text": "x" * 10_001}, headers=user(ADA))
    assert too_long.status_code == 400
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM documents")) == 0, "undone with the post"
    engine.dispose()


def test_many_requests_at_once(client: TestClient) -> None:
    def post(n: int) -> int:
        return int(client.post("/posts", params={"text": str(n)}, headers=user(ADA)).status_code)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(post, range(12))) == {201}
    items = client.get("/feed", headers=user(ADA)).json()["items"]
    assert {item["post"]["text"] for item in items} == {str(n) for n in range(12)}
