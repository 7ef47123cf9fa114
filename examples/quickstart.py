"""A first feed: follow, publish, react, comment, read home page by page, look at a profile and at one post.

python examples/quickstart.py [folder]        leaves its database, social.db, in the folder (default: here)
"""

import sys
from pathlib import Path

import feedkit

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()

with feedkit.connect(f"sqlite:///{FOLDER / 'social.db'}") as feed:  # makes its tables; delivers inline
    feed.follow("bob", "ada")
    for day in ("Monday", "Tuesday", "Wednesday"):
        feed.publish("ada", text=f"Hello, {day}")
    post = feed.publish("ada", text="For those who follow me", audience="followers")
    feed.publish("bob", text="Welcome", reply_to=post.id)
    feed.react("bob", post.id, "like")
    feed.comment("bob", post.id, text="Nice")

    page = feed.home("bob", limit=2)
    while True:
        for item in page:
            print(f"{item.author.key}: {item.post.text}", item.counts.reactions, *item.viewer.reacted)
        if page.next_cursor is None:
            break
        page = feed.home("bob", limit=2, cursor=page.next_cursor)

    for comment in feed.comments("ada", post.id):
        if comment.author is not None:  # else it is gone, and has answers
            print(f"{comment.author.key} comments: {comment.comment.text}")

    profile = feed.profile(None, "ada")  # as somebody sees it who is not logged in
    print(f"{profile.user.key} has {profile.counts.followers} follower and shows {len(profile)} posts")

    print(feed.post("bob", post.id).post.text)
    try:
        feed.post(None, post.id)
    except feedkit.NotFound as error:
        print(f"logged out: {error}")
