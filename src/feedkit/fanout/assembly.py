"""Fan-out as one process has it: who delivers to timelines, and how its readers get them."""

from collections.abc import Callable, Sequence

from feedkit.clock import Clock
from feedkit.fanout.delivery import Delivery
from feedkit.fanout.near import NearOutboxes
from feedkit.fanout.pairs import Pairs
from feedkit.fanout.policy import CostBased, FanoutPolicy
from feedkit.fanout.rebuild import Timelines
from feedkit.fanout.recent import Recent
from feedkit.fanout.shared import Shared, SharedDelivery
from feedkit.fanout.sharing import ChunkWork
from feedkit.log.consumers import LocalConsumer
from feedkit.log.letters import DeadLetters
from feedkit.metrics import Metrics
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.storage.memory import own_outboxes
from feedkit.storage.timelines import TimelineStores


class Fanout:
    """The parts, wired together.

    Args:
        truth: where posts and followers are.
        stores: where timelines are: if there are marks, processes share them.
        policy: how posts reach their readers.
        clock: tells the time.
        settings: every bound.
        letters: take what cannot be delivered.
        metrics: is told what is delivered and built.
        place: gives the number up to which this process has come, or begun to come.
        others_deliver: whether there are workers for timelines that processes share.
        also: what else hears of events that are delivered there.
    """

    def __init__(
        self,
        truth: Truth,
        stores: TimelineStores,
        policy: FanoutPolicy,
        clock: Clock,
        settings: Settings,
        *,
        letters: DeadLetters,
        metrics: Metrics | None,
        place: Callable[[], int],
        others_deliver: bool,
        also: Sequence[LocalConsumer],
    ) -> None:
        self.pairs = Pairs(policy, stores.inboxes, clock, settings) if isinstance(policy, CostBased) else None
        self.delivery = Delivery(truth, stores, settings, self.pairs, clock=clock, metrics=metrics)
        self.chunks: ChunkWork | None = None
        self.sharing: Shared | None = None
        self.consumers: Sequence[LocalConsumer] = (self.delivery,)
        """What has to hear of events in this process."""
        near: NearOutboxes | None = None
        if (marks := stores.marks) is not None:
            recent, near = Recent(), NearOutboxes(own_outboxes(settings, clock), metrics)
            self.consumers = (recent, near)
            self.chunks = ChunkWork(truth, self.delivery, marks, letters, settings)
            around = (marks, settings.log_batch, self.chunks, letters)
            delivery = SharedDelivery(truth, self.delivery, *around, also=also)
            self.sharing = Shared(delivery, place, recent, others_deliver=others_deliver)
        self.timelines = Timelines(
            truth, stores, settings, self.pairs, shared=self.sharing, near=near, metrics=metrics
        )
