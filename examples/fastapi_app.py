"""A feed behind FastAPI, over the application's own engine: `uvicorn fastapi_app:app` in this folder."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import feedkit

engine = sa.create_engine(os.environ.get("DATABASE_URL", "sqlite:///fastapi.db"))
feed = feedkit.connect(engine, key=UUID)  # opens nothing yet


class Base(DeclarativeBase): ...


class Document(Base):
    __tablename__ = "documents"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    Base.metadata.create_all(engine)
    feed.migrate()
    with feed:
        yield
    engine.dispose()


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


app = FastAPI(lifespan=lifespan)
Me = Annotated[UUID, Header(alias="X-User")]  # your own login stands here
Viewer = Annotated[UUID | None, Header(alias="X-User")]
Db = Annotated[Session, Depends(get_session)]


@app.exception_handler(feedkit.FeedkitError)
def feed_error(_: Request, exc: feedkit.FeedkitError) -> JSONResponse:
    return JSONResponse(exc.to_dict(), status_code=exc.http_status, headers=exc.http_headers)


@app.get("/feed")
def home(me: Me, cursor: str | None = None, limit: int = 20) -> dict[str, Any]:
    return feed.home(me, cursor=cursor, limit=limit).to_dict()  # ids are strings


@app.post("/posts", status_code=201)
def create(me: Me, text: str, session: Db) -> dict[str, Any]:
    with session.begin():  # the document and the post are there together, or neither
        session.add(document := Document(text=text))
        session.flush()
        return feed.publish(me, text=text, ref=f"document:{document.id}", connection=session).to_dict()


@app.get("/posts/{post_id}")
def one(post_id: str, me: Viewer = None) -> dict[str, Any]:
    return feed.post(me, post_id).to_dict()


@app.put("/posts/{post_id}/like", status_code=204)
def like(me: Me, post_id: str) -> None:
    feed.react(me, post_id, "like")


@app.put("/people/{other}/follow")
def follow(me: Me, other: UUID) -> dict[str, str]:
    return {"status": feed.follow(me, other).status}
