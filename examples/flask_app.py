"""A small social site behind Flask: private accounts, one reaction per person. `flask --app flask_app run`"""

import os
from typing import Any
from uuid import UUID

from flask import Flask, abort, request
from flask.typing import ResponseReturnValue

import feedkit

app = Flask(__name__)
feed = feedkit.connect(  # opens nothing yet
    os.environ.get("DATABASE_URL", "sqlite:///flask.db"),
    key=UUID,
    settings=feedkit.Settings(reactions_per_person=1),
)


def viewer() -> UUID | None:
    """Who is asking: your own login stands here."""
    key = request.headers.get("X-User")
    return UUID(key) if key else None


def me() -> UUID:
    return viewer() or abort(401)


@app.errorhandler(feedkit.FeedkitError)
def feed_error(error: feedkit.FeedkitError) -> ResponseReturnValue:
    return error.to_dict(), error.http_status, error.http_headers


@app.put("/me")
def settings() -> ResponseReturnValue:
    return feed.users.put(me(), **request.get_json()).to_dict()  # handle, display_name, private ...


@app.get("/feed")
def home() -> ResponseReturnValue:
    return feed.home(me(), **paging()).to_dict()


@app.post("/posts")
def publish() -> ResponseReturnValue:
    wanted = {
        name: value for name, value in request.get_json().items() if name in {"text", "reply_to", "audience"}
    }
    return feed.publish(me(), **wanted).to_dict(), 201


@app.get("/posts/<post_id>")
def thread(post_id: str) -> ResponseReturnValue:
    return feed.thread(viewer(), post_id, **paging()).to_dict()


@app.put("/posts/<post_id>/reaction")
def react(post_id: str) -> ResponseReturnValue:
    feed.react(me(), post_id, request.get_json()["kind"])  # takes the place of another kind
    return "", 204


@app.put("/people/<uuid:other>/follow")
def follow(other: UUID) -> ResponseReturnValue:
    return {"status": feed.follow(me(), other).status}  # "requested" where the account is private


@app.put("/requests/<uuid:other>")
def accept(other: UUID) -> ResponseReturnValue:
    return {"status": feed.accept(me(), other).status}


@app.get("/people/<uuid:other>")
def profile(other: UUID) -> ResponseReturnValue:
    return feed.profile(viewer(), other, **paging()).to_dict()


def paging() -> dict[str, Any]:
    return {"cursor": request.args.get("cursor"), "limit": request.args.get("limit", type=int)}
