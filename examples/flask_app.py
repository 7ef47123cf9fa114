"""A small social site behind Flask: private accounts, one reaction per person. `flask --app flask_app run`"""

import os
from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Flask, abort, request
from flask.typing import ResponseReturnValue

import feedkit

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 100_000
feed = feedkit.connect(  # opens nothing yet
    os.environ.get("DATABASE_URL", "sqlite:///flask.db"),
    key=UUID,
    settings=feedkit.Settings(reactions_per_person=1),
)
Verb = Callable[[UUID, UUID], feedkit.Relation]
TIES: dict[str, tuple[Verb, Verb]] = {  # for PUT and for DELETE
    "follow": (feed.follow, feed.unfollow),  # "requested" where the account is private
    "request": (feed.accept, feed.decline),
    "block": (feed.block, feed.unblock),
}


def viewer() -> UUID | None:
    """Who is asking: your own login stands here."""
    try:
        return UUID(request.headers["X-User"]) if "X-User" in request.headers else None
    except ValueError:
        abort(401)


def me() -> UUID:
    return viewer() or abort(401)


def sent(needed: str, *others: str) -> dict[str, Any]:
    """These fields of the body."""
    body = request.get_json()
    if not isinstance(body, dict) or needed not in body:
        abort(400, f"the body must be a JSON object with {needed}")
    return {name: body[name] for name in (needed, *others) if name in body}


def paging() -> dict[str, Any]:
    return {"cursor": request.args.get("cursor"), "limit": request.args.get("limit", type=int)}


@app.errorhandler(feedkit.FeedkitError)
def feed_error(error: feedkit.FeedkitError) -> ResponseReturnValue:
    return error.to_dict(), error.http_status, error.http_headers


@app.put("/me")
def settings() -> ResponseReturnValue:
    return feed.users.put(me(), **sent("private", "handle", "display_name")).to_dict()


@app.get("/feed")
def home() -> ResponseReturnValue:
    return feed.home(me(), **paging()).to_dict()


@app.get("/requests")
def requests() -> ResponseReturnValue:
    return feed.requests(me(), **paging()).to_dict()


@app.get("/people/<uuid:other>")
def profile(other: UUID) -> ResponseReturnValue:
    return feed.profile(viewer(), other, **paging()).to_dict()


@app.route(f"/people/<uuid:other>/<any({','.join(TIES)}):tie>", methods=["PUT", "DELETE"])
def relate(other: UUID, tie: str) -> ResponseReturnValue:
    do, undo = TIES[tie]
    return (do if request.method == "PUT" else undo)(me(), other).to_dict()


@app.post("/posts")
def publish() -> ResponseReturnValue:
    return feed.publish(me(), **sent("text", "reply_to", "audience")).to_dict(), 201


@app.get("/posts/<post_id>")
def thread(post_id: str) -> ResponseReturnValue:
    return feed.thread(viewer(), post_id, **paging()).to_dict()


@app.put("/posts/<post_id>/reaction")
def react(post_id: str) -> ResponseReturnValue:
    return feed.react(me(), post_id, **sent("kind")).to_dict()  # takes the place of another kind


@app.delete("/posts/<post_id>/reaction")
def unreact(post_id: str) -> ResponseReturnValue:
    return feed.unreact(me(), post_id).to_dict()


@app.get("/posts/<post_id>/comments")
def comments(post_id: str) -> ResponseReturnValue:
    return feed.comments(viewer(), post_id, **paging()).to_dict()


@app.post("/posts/<post_id>/comments")
def comment(post_id: str) -> ResponseReturnValue:
    return feed.comment(me(), post_id, **sent("text", "parent")).to_dict(), 201
