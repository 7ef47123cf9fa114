"""A small social site behind Flask: private accounts, one reaction per person. `flask --app flask_app run`"""

import os
from typing import Any
from uuid import UUID

from flask import Flask, abort, request
from flask.typing import ResponseReturnValue as Reply

import feedkit

app = Flask(__name__)
once = feedkit.Settings(reactions_per_person=1)
feed = feedkit.connect(os.environ.get("DATABASE_URL", "sqlite:///flask.db"), key=UUID, settings=once)
PAGES: dict[str, Any] = {"feed": feed.home, "requests": feed.requests}
TIES: dict[str, Any] = {  # for PUT and for DELETE
    "follow": (feed.follow, feed.unfollow),  # "requested" where the account is private
    "request": (feed.accept, feed.decline),
    "block": (feed.block, feed.unblock),
}


def viewer() -> UUID | None:
    return request.headers.get("X-User", type=UUID)  # your own login stands here


def me() -> UUID:
    return viewer() or abort(401)


def field(name: str) -> Any:
    body = request.get_json()  # what is in it, feedkit checks
    return body.get(name) if isinstance(body, dict) else abort(400, "the body must be a JSON object")


@app.errorhandler(feedkit.FeedkitError)
def feed_error(error: feedkit.FeedkitError) -> Reply:
    return error.to_dict(), error.http_status, error.http_headers


@app.put("/me")
def settings() -> Reply:
    return feed.users.put(me(), private=field("private")).to_dict()


@app.get(f"/<any({','.join(PAGES)}):name>")
def own_page(name: str) -> Any:
    return PAGES[name](me(), cursor=request.args.get("cursor")).to_dict()


@app.get("/people/<uuid:other>")
def profile(other: UUID) -> Reply:
    return feed.profile(viewer(), other, cursor=request.args.get("cursor")).to_dict()


@app.route(f"/people/<uuid:other>/<any({','.join(TIES)}):tie>", methods=["PUT", "DELETE"])
def relate(other: UUID, tie: str) -> Any:
    do, undo = TIES[tie]
    return (do if request.method == "PUT" else undo)(me(), other).to_dict()


@app.post("/posts")
def publish() -> Reply:
    return feed.publish(me(), text=field("text"), reply_to=field("reply_to")).to_dict(), 201


@app.get("/posts/<post_id>")
def thread(post_id: str) -> Reply:
    return feed.thread(viewer(), post_id, cursor=request.args.get("cursor")).to_dict()


@app.put("/posts/<post_id>/reaction")
def react(post_id: str) -> Reply:
    return feed.react(me(), post_id, field("kind")).to_dict()  # takes the place of another kind


@app.delete("/posts/<post_id>/reaction")
def unreact(post_id: str) -> Reply:
    return feed.unreact(me(), post_id).to_dict()
