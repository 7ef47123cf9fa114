"""A story that goes wherever it hurts: everything that a run of the state machine must not miss."""

from feedkit.testing.machine import FeedMachine


def live_through(world: FeedMachine, *, transactions: bool) -> None:
    world.populate(stars={"ada"}, follows=[("bob", "cyd"), ("cyd", "bob")], process=0)
    for process in (0, 1):
        world.burst(author="ada", audience="public", n=14, process=process)
        world.burst(author="cyd", audience="followers", n=3, process=process)
        world.burst(author="bob", audience="only_me", n=2, process=process)
        world.begin_walk(viewer="bob", author=None, nobody=False, limit=3, process=process)
    world.burst(author="dee", audience="followers", n=12, process=1)
    world.relate(verb="follow", actor="bob", other="dee", look=True, process=1, reader=0)
    world.relate(verb="mute", actor="bob", other="cyd", look=True, process=1, reader=0)
    world.continue_walk(pick=0, pages=2, limit=5, process=1)
    world.burst(author="ada", audience="public", n=5, process=0)
    world.poll(pick=0, limit=2, at_once=False, process=1)
    for size in (1, 4, 4, 1, 1):  # across the threshold of a hybrid, and back
        world.crowd(other="eve", size=size, audience="public", process=0, reader=1)
        world.move_clock(seconds=2 * 3_600, process=0)
        world.move_clock(seconds=2 * 3_600, process=1)
    live_privately(world)
    gather(world)
    engage(world)
    share(world)
    moderate(world)
    for what in ("wipe", "drain", "check", "reopen"):
        world.upkeep(what=what, process=1)
    world.move_clock(seconds=-10, process=1)
    world.burst(author="ada", audience="followers", n=12, process=1)
    for process, audience in enumerate(("only_me", "followers", "unlisted", "public")):
        world.edit(
            pick=2, audience=audience, reword=process < 2, who="bob", process=process % 2, reader=process % 2
        )
        world.publish_for_a_while(author="ada", audience=audience, seconds=5, process=0, reader=1)
    world.move_clock(seconds=60, process=1)
    world.compare_everything(process=0)
    for pick in range(4):
        world.delete(pick=pick, who="bob", mine=True, process=pick % 2, reader=0)
    if transactions:
        world.open_transaction()
        world.publish_in_transaction(author="dee", audience="public", n=2, process=0)
        world.publish(author="ada", audience="public", parent=None, process=1)
        world.compare_everything(process=1)
        world.end_transaction(keep=True)
    world.relate(verb="block", actor="bob", other="ada", look=True, process=0, reader=1)
    world.compare_everything(process=0)


def live_privately(world: FeedMachine) -> None:
    """A private account, requests and their answers, friends, and a mute that lapses."""
    world.close_the_door(who="cyd", private=True, process=0, reader=1)
    for number, name in enumerate(("dee", "eve", "ada")):
        world.follow_for(actor=name, other="cyd", reposts=number > 0, process=0)
    world.burst(author="cyd", audience="public", n=2, process=1)
    world.burst(author="cyd", audience="friends", n=2, process=0)
    world.publish(author="cyd", audience="public", parent=0, process=1)
    for verb in ("accept", "decline"):
        world.answer(verb=verb, pick=0, process=0, reader=1)
    world.relate(verb="befriend", actor="cyd", other="dee", look=True, process=1, reader=0)
    world.answer(verb="accept", pick=1, process=1, reader=0)
    world.mute_for_a_while(actor="dee", other="cyd", seconds=5, process=1, reader=1)
    world.move_clock(seconds=60, process=1)
    world.compare_everything(process=1)
    world.relate(verb="unfriend", actor="dee", other="cyd", look=True, process=0, reader=1)
    world.close_the_door(who="cyd", private=False, process=1, reader=0)


def gather(world: FeedMachine) -> None:
    """Lists and what is published to them, threads, tags and pins, read on while they change."""
    for number, owner in enumerate(("bob", "ada")):
        world.make_list(owner=owner, members={"ada", "cyd", "dee"}, process=number, reader=1 - number)
    world.burst(author="ada", audience="list", n=6, process=0)
    world.post("ada", "public", 0)
    focus = world.posts()[0]

    def place(post_id: int) -> int:
        return next(number for number, post in enumerate(world.posts()) if post.id == post_id)

    for author in ("cyd", "dee", "ada", "cyd"):
        answer(world, author, focus.id, process=1)
    below = world.posts()[0]
    for author in ("bob", "eve"):
        answer(world, author, below.id, process=0)
    for kind in ("thread below", "tag", "list", "replies of", "media of"):
        world.begin_elsewhere(kind=kind, viewer="bob", nobody=False, pick=place(focus.id), limit=2, process=0)
        for author in ("cyd", "ada"):
            answer(world, author, focus.id, process=0)
        if world.walks:
            world.continue_walk(pick=len(world.walks) - 1, pages=1, limit=3, process=1)
        world.poll(pick=len(world.watches) - 1, limit=2, at_once=True, process=1)
    tagged = next(post for post in world.posts() if post.tags and post.audience == "public")
    for reader in (0, 1, 0):
        world.edit(pick=place(tagged.id), audience="public", reword=True, who="dee", process=0, reader=reader)
        world.begin_elsewhere(kind="tag", viewer="bob", nobody=True, pick=0, limit=7, process=reader)
    world.glance("bob", process=0)
    answer(world, "ada", focus.id, process=0)
    world.poll(pick=len(world.watches) - 1, limit=7, at_once=True, process=0)
    for pick in (0, 3, 5):
        world.pin(pick=pick, undo=False, process=0, reader=1)
    world.change_list(pick=0, member="eve", undo=False, process=0, reader=1)
    world.begin_elsewhere(kind="list", viewer="bob", nobody=False, pick=0, limit=2, process=0)
    world.change_list(pick=0, member="cyd", undo=True, process=1, reader=0)
    world.relate(verb="mute", actor="bob", other="dee", look=False, process=0, reader=0)
    world.compare_everything(process=1)
    world.begin_elsewhere(
        kind="thread below", viewer="bob", nobody=True, pick=place(below.id), limit=1, process=0
    )
    world.relate(verb="unmute", actor="bob", other="dee", look=False, process=0, reader=0)
    world.make_list(owner="eve", members={"ada"}, process=0, reader=0)
    of_eve = sorted(world.model.owners).index(world.model.lists_of("eve")[0])
    for reader in (0, 1):
        world.begin_elsewhere(kind="list", viewer="eve", nobody=False, pick=of_eve, limit=1, process=reader)
    for name in ("bob", "eve"):
        world.drop_list(pick=of_eve, who=name, process=0, reader=1)


def answer(world: FeedMachine, author: str, post_id: int, process: int) -> None:
    """One more reply to that post."""
    world.know(world.write(world.feed(process), author, "public", reply_to=post_id))
    world.observe()


def engage(world: FeedMachine) -> None:
    """Reactions, saves and comments, with answers below one that is deleted."""
    for number, name in enumerate(("bob", "cyd", "dee", "bob")):
        for pick in range(3):
            world.react(
                actor=name, pick=pick, kind="love" if pick else "like", undo=False, process=0, reader=1
            )
        world.save(actor=name, pick=number, undo=number == 3, process=1, reader=0)
        world.comment(actor=name, pick=0, answer=number if number else None, process=0, reader=1)
    for pick in range(3):
        world.delete_comment(pick=pick, who="bob", process=1, reader=0)
    world.react(actor="bob", pick=0, kind="like", undo=True, process=1, reader=0)


def share(world: FeedMachine) -> None:
    """One post that many repost, one of whom takes it back; quotes of what not everybody sees."""
    world.post("ada", "public", 0)
    post = world.posts()[0]
    for number, name in enumerate(("bob", "cyd", "dee", "bob")):
        pick = world.posts().index(world.model.posts[post.id])
        world.repost(actor=name, pick=pick, undo=False, process=number % 2, reader=1)
    world.repost(actor="dee", pick=0, undo=True, process=0, reader=0)
    pick = world.posts().index(world.model.posts[post.id])
    world.quote(actor="eve", pick=pick, audience="public", process=0, reader=1)
    world.repost(actor="bob", pick=0, undo=False, process=0, reader=1)
    world.edit(
        pick=world.posts().index(world.model.posts[post.id]),
        audience="followers",
        reword=True,
        who="eve",
        process=0,
        reader=1,
    )
    world.compare_everything(process=0)


def moderate(world: FeedMachine) -> None:
    """Removals and their undo, suspensions that end by themselves or by hand, drafts and schedules."""
    for pick in (0, 1, 0):
        world.moderate(pick=pick, who="bob", restore=False, process=0, reader=1)
    for pick in range(2):
        world.moderate(pick=pick, who="bob", restore=True, process=pick, reader=0)
    mine = [number for number, post in enumerate(world.posts()) if post.author == "ada"]
    for process in (0, 1):
        world.moderate_by_mistake(picks=mine[:3], who="bob", process=process, reader=process)
    for seconds in (60, None):
        world.suspend(other="ada", who="bob", seconds=seconds, undo=False, process=0, reader=1)
        world.publish(author="ada", audience="public", parent=None, process=0)
        world.compare_everything(process=0)
        for process in (0, 1):
            world.move_clock(seconds=120, process=process)
    world.suspend(other="ada", who="bob", seconds=None, undo=True, process=1, reader=0)
    world.hold_and_release(author="ada", audience="public", process=0, reader=1)
    world.draft(author="ada", audience="followers", process=0, reader=1)
    world.finish(pick=0, discard=False, process=1, reader=0)
    world.schedule(author="ada", audience="public", seconds=30, process=0, reader=0)
    world.post("ada", "public", 0)
    world.move_clock(seconds=60, process=0)
    world.compare_everything(process=1)
    world.compare_everything(process=0)
