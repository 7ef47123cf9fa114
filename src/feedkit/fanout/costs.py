"""What deliveries cost, author by author: whom the work is done for."""

import threading
from collections import Counter

_AUTHORS = 10_000


class Costs:
    """Entries delivered, in all and for each of the authors who cost most. Safe for threads.

    It remembers 10,000 authors: when there are more, the cheaper half is forgotten.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_author: Counter[int] = Counter()
        self.total = 0

    def add(self, author_id: int, deliveries: int) -> None:
        """Count deliveries of what an author posted."""
        if not deliveries:
            return
        with self._lock:
            self.total += deliveries
            self._by_author[author_id] += deliveries
            if len(self._by_author) > _AUTHORS:
                self._by_author = Counter(dict(self._by_author.most_common(_AUTHORS // 2)))

    def dearest(self, count: int) -> list[tuple[int, int]]:
        """The authors who cost most, the dearest first: (id, deliveries)."""
        with self._lock:
            return self._by_author.most_common(count)
