"""A host that has RQ already: its workers deliver, and no `feedkit worker` runs.

DATABASE_URL=postgresql://... REDIS_URL=redis://... python examples/rq_app.py       publishes, and asks for a tick
rq worker --url $REDIS_URL feed                                                     does it, here or anywhere else

In production have the tick come around by itself, every few seconds: RQ's cron, Celery beat or the like.
"""

import os
import sys
from pathlib import Path

import redis
import rq

import feedkit
from feedkit import jobs

sys.path.append(str(Path(__file__).parent))  # so that workers find `rq_app`, too

connection = redis.Redis.from_url(os.environ["REDIS_URL"])
queue = rq.Queue("feed", connection=connection)
feed = feedkit.connect(os.environ["DATABASE_URL"], redis=os.environ["REDIS_URL"], deliver="worker")


def publish(author: str, text: str) -> feedkit.Post:
    """What a view would do. The post is safe when `publish` returns, whatever becomes of the job."""
    post = feed.publish(author, text=text)
    queue.enqueue(jobs.tick, "rq_app:feed", max_seconds=20)
    return post


if __name__ == "__main__":
    feed.migrate()
    feed.follow("bob", "ada")
    publish("ada", "Delivered by RQ")
    print([item.post.text for item in feed.home("bob")], feed.wiring.deliver)
    feed.close()
