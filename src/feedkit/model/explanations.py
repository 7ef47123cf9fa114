"""Why a post is, or is not, in somebody's home feed."""

from typing import Any

import attrs


@attrs.frozen(slots=True)
class Step:
    """One step on the way of a post to a reader.

    `about`: "graph", "post", "routing", "delivery", "visibility" or "home"; `code` names what was found, for
    programs; `text` says it in words.
    """

    about: str
    code: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return attrs.asdict(self)


@attrs.frozen(slots=True)
class Explanation:
    """Why a post is, or is not, in a viewer's home feed, step by step; `str()` gives it as text.

    `visible`: whether the viewer may see it where they ask for it; `in_home`: whether it stands in their home
    feed, in a line of its own, or in that of the post which it reposts. For operators: it tells of mutes, removals
    and drafts that the viewer may know nothing of. Who blocks whom it does not tell.
    """

    post_id: int
    visible: bool
    in_home: bool
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        answer = "is" if self.in_home else "is not"
        lines = [f"Post {self.post_id} {answer} in the home feed."]
        return "\n".join([*lines, *(f"{step.about + ':':<12}{step.text}" for step in self.steps)])

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "post_id": str(self.post_id),
            "visible": self.visible,
            "in_home": self.in_home,
            "steps": [step.to_dict() for step in self.steps],
        }
