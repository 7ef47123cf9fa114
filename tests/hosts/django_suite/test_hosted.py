import json
import random
import threading
import uuid
from io import StringIO
from unittest.mock import patch

from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import TestCase, TransactionTestCase, override_settings
from social.models import Document, Follow, User

from feedkit import errors
from feedkit.django import feed


class Undone(Exception):
    """A transaction is rolled back."""


class People:
    def setUp(self):
        self.ada = User.objects.create(username="ada")
        self.bob = User.objects.create(username="bob")

    def as_user(self, user):
        self.client.force_login(user)
        return self.client

    def publish(self, user, text):
        return self.as_user(user).post("/posts", {"text": text}).json()


class Views(People):
    """The same twice: in a TestCase, which never commits, and in a TransactionTestCase, which does."""

    def test_a_follow_and_a_post_show_up(self):
        answer = self.as_user(self.bob).post(f"/follow/{self.ada.pk}")
        self.assertEqual(answer.json(), {"status": "active"})
        self.publish(self.ada, "hello")
        self.assertContains(self.as_user(self.bob).get("/"), "<b>ada</b> hello")
        self.assertEqual(Follow.objects.get().target, self.ada)

    def test_nobody_is_left_from_another_test(self):
        self.assertEqual(feed.users.get([self.ada.pk, self.bob.pk]), {})
        self.assertContains(self.as_user(self.bob).get("/"), "Follow somebody")
        self.assertEqual(feed.drain().events, 0)

    def test_likes_are_counted(self):
        self.as_user(self.bob).post(f"/follow/{self.ada.pk}")
        post = self.publish(self.ada, "likeable")
        self.assertEqual(self.as_user(self.bob).post(f"/posts/{post['id']}/like").status_code, 204)
        self.assertContains(self.client.get("/"), "(1)")
        item = self.client.get(f"/posts/{post['id']}").json()
        self.assertEqual(item["viewer"]["reacted"], ["like"])

    def test_pages_go_on(self):
        for n in range(25):
            self.publish(self.ada, f"post {n}")
        page = feed.profile(None, self.ada.pk)
        rest = feed.profile(None, self.ada.pk, cursor=page.next_cursor)
        texts = [item.post.text for item in (*page, *rest)]
        self.assertEqual(texts, [f"post {n}" for n in reversed(range(25))])
        self.assertIsNone(rest.next_cursor)
        self.publish(self.ada, "new")
        newer = feed.profile(None, self.ada.pk, cursor=page.newer_cursor)
        self.assertEqual([item.post.text for item in newer], ["new"])

    def test_an_error_undoes_both_sides(self):
        post = self.publish(self.ada, "once")
        with self.assertRaises(IntegrityError), transaction.atomic():
            feed.publish(self.ada.pk, text="undone")
            feed.block(self.ada.pk, self.bob.pk)
            Follow.objects.create(user=self.ada, target=self.bob)
            Follow.objects.create(user=self.ada, target=self.bob)
        answer = self.as_user(self.bob).get(f"/people/{self.ada.pk}").json()
        self.assertEqual([item["post"]["id"] for item in answer["items"]], [post["id"]])

    def test_an_error_of_feedkit_is_an_answer_and_leaves_the_transaction_usable(self):
        self.assertEqual(self.as_user(self.bob).post("/posts", {"text": "x" * 10_001}).status_code, 400)
        self.assertEqual(Document.objects.count(), 0)
        self.assertEqual(self.client.get("/posts/12345").status_code, 404)
        with transaction.atomic():
            with self.assertRaises(errors.Forbidden):
                feed.block(self.ada.pk, self.bob.pk)
                feed.follow(self.bob.pk, self.ada.pk)
            Follow.objects.create(user=self.ada, target=self.bob)
        self.assertEqual(Follow.objects.count(), 1)

    def test_reads_in_a_transaction_see_what_it_has_written(self):
        feed.publish(self.ada.pk, text="before")
        with transaction.atomic():
            feed.follow(self.bob.pk, self.ada.pk)
            feed.publish(self.ada.pk, text="within")
            texts = [item.post.text for item in feed.home(self.bob.pk)]
            self.assertEqual(texts, ["within", "before"])
            with transaction.atomic():
                feed.block(self.ada.pk, self.bob.pk)
                self.assertFalse(feed.home(self.bob.pk))
                self.assertFalse(feed.profile(self.bob.pk, self.ada.pk))
                transaction.set_rollback(True)
            self.assertTrue(feed.home(self.bob.pk))
            transaction.set_rollback(True)
        self.assertFalse(feed.home(self.bob.pk))
        self.assertEqual([item.post.text for item in feed.profile(None, self.ada.pk)], ["before"])
        self.assertTrue(feed.check().ok)

    def test_any_nesting_of_transactions(self):
        """Whatever is committed or undone at whatever depth, a read shows what a model says."""
        chance = random.Random(20)
        for _ in range(12):
            author, reader = uuid.uuid4(), uuid.uuid4()
            feed.follow(reader, author)
            self.assertEqual(self.lived_through(chance, author, reader, []), self.shown(author, reader))
        self.assertTrue(feed.check().ok)

    def lived_through(self, chance, author, reader, texts, depth=0):
        """The posts that stand, newest first, after some random steps."""
        for _ in range(chance.randint(1, 5)):
            step = chance.choice(["publish", "publish", "delete", "read", "block", "nest", "nest"])
            if step == "publish":
                texts = [(feed.publish(author, text=str(len(texts))).id), *texts]
            elif step == "delete" and texts:
                feed.delete(author, texts[0])
                texts = texts[1:]
            elif step == "read":
                self.assertEqual(texts, self.shown(author, reader))
            elif step == "block":
                with self.assertRaises(Undone), transaction.atomic():
                    feed.block(author, reader)
                    self.assertEqual([], self.shown(author, reader))
                    raise Undone
            elif step == "nest" and depth < 3:
                texts = self.nested(chance, author, reader, texts, depth)
        return texts

    def nested(self, chance, author, reader, texts, depth):
        undone = chance.random() < 0.4
        try:
            with transaction.atomic():
                within = self.lived_through(chance, author, reader, texts, depth + 1)
                self.assertEqual(within, self.shown(author, reader))
                if undone:
                    raise Undone
        except Undone:
            return texts
        return within

    def shown(self, author, reader):
        ids = [item.post.id for item in feed.home(reader)]
        self.assertEqual(ids, [item.post.id for item in feed.profile(reader, author)])
        return ids

    def test_queries_of_feedkit_are_not_the_sites(self):
        feed.publish(self.ada.pk, text="one")
        with self.assertNumQueries(0):
            feed.home(self.ada.pk)

    def test_the_sites_own_follows_are_adopted(self):
        Follow.objects.create(user=self.bob, target=self.ada)
        feed.follow(self.ada.pk, self.bob.pk)

        dry = self.reconciled("--dry-run")
        self.assertEqual((dry["added"], dry["removed"]), (1, 1))
        self.assertEqual(dry["sample_added"], [[str(self.bob.pk), str(self.ada.pk)]])
        self.assertEqual(feed.followers(None, self.ada.pk).keys, [])

        done = self.reconciled("--max-removals", "1")
        self.assertEqual((done["added"], done["removed"], done["resume"]), (1, 1, None))
        self.assertEqual(feed.followers(None, self.ada.pk).keys, [self.bob.pk])
        self.assertEqual(feed.followers(None, self.bob.pk).keys, [])
        self.assertEqual(self.reconciled()["unchanged"], 1)

    def test_follows_of_many_are_read_in_the_order_of_their_keys(self):
        people = User.objects.bulk_create(User(username=str(n)) for n in range(300))
        Follow.objects.bulk_create(Follow(user=one, target=self.ada) for one in people)
        paged = patch("feedkit.django.follow_table._PAGE", 70)
        with paged, override_settings(FEEDKIT={"key": "uuid", "reconcile_chunk": 40}):
            self.assertEqual(self.reconciled()["added"], 300)
            self.assertEqual(self.reconciled()["unchanged"], 300)

    def test_what_is_no_follow_table_is_told_in_one_line(self):
        for source, said in (
            ("social_follow", "social_follow:user_id:target_id"),
            ("social_follow:user_id:nobody", "no column nobody; it has id, "),
            ("follows:user_id:target_id", "no table follows"),
            ("social_follow:user_id:target_id:id", "source must be"),
        ):
            with self.subTest(source), self.assertRaisesMessage(CommandError, said):
                self.reconciled(source=source)

    def reconciled(self, *options, source="social_follow:user_id:target_id"):
        out = StringIO()
        call_command("feedkit", "reconcile_follows", source, *options, stdout=out)
        return json.loads(out.getvalue())


class ViewsInATest(Views, TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.early = uuid.uuid4()
        feed.publish(cls.early, text="of all tests")

    def test_what_is_of_all_tests(self):
        self.assertEqual(len(feed.profile(None, self.early)), 1)
        feed.publish(self.early, text="of this test")
        self.assertEqual(len(feed.profile(None, self.early)), 2)

    def test_what_is_of_all_tests_again(self):
        self.assertEqual(len(feed.profile(None, self.early)), 1)


class ViewsThatCommit(Views, TransactionTestCase):
    pass


class SettingsAreFollowed(TestCase):
    def test_what_cannot_work_is_said_so(self):
        for wrong, named in (
            ({"key": "float"}, "key"),
            ({"database": "other"}, "database"),
            ({"page_limit_maximum": 5}, "page_limit_maximum"),
            ({"page_limit_max": 0}, "page_limit_max"),
            ({"deliver": "by post"}, "deliver"),
            ({"redis": "localhost:6379"}, "redis"),
            ({"bus": "localhost:6379"}, "bus"),
        ):
            refused = self.assertRaisesMessage(ImproperlyConfigured, f"settings.FEEDKIT: {named}")
            with self.subTest(wrong), override_settings(FEEDKIT=wrong), refused:
                feed.drain()

    def test_another_key_type_than_the_tables_were_made_for(self):
        with override_settings(FEEDKIT={"key": "int"}), self.assertRaises(errors.KeyTypeMismatch):
            feed.home(1)
        self.assertFalse(feed.home(uuid.uuid4()))

    def test_parts_by_name(self):
        with override_settings(FEEDKIT={"key": "uuid", "policy": "feedkit.PullAll", "page_limit_default": 3}):
            author = uuid.uuid4()
            for n in range(4):
                feed.publish(author, text=str(n))
            self.assertEqual(len(feed.home(author)), 3)


class ConsumersInATest(People, TestCase):
    def test_a_group_is_handed_what_is_never_committed(self):
        with override_settings(FEEDKIT={"key": "uuid", "bus": "redis://127.0.0.1:1/0"}):
            feed.bus.subscribe("search")
            feed.publish(self.ada.pk, text="hi")
            found = []
            for _ in range(2):
                self.assertTrue(feed.bus.consume("search", found.extend).done)
            self.assertEqual([event.kind for event in found], ["post.published"])


class WhatCommits(People, TransactionTestCase):
    def test_nothing_is_seen_by_others_before_the_commit(self):
        feed.follow(self.bob.pk, self.ada.pk)
        with transaction.atomic():
            feed.publish(self.ada.pk, text="later")
            self.assertEqual(len(feed.home(self.bob.pk)), 1)
            self.assertEqual(in_another_thread(lambda: len(feed.home(self.bob.pk))), 0)
        self.assertEqual(in_another_thread(lambda: len(feed.home(self.bob.pk))), 1)
        self.assertTrue(feed.check().ok)

    def test_nothing_is_handed_over_before_the_commit(self):
        if connection.vendor == "sqlite" and connection.is_in_memory_db():
            self.skipTest("there is one connection")
        with override_settings(FEEDKIT={"key": "uuid", "bus": "memory://"}):
            feed.bus.subscribe("search")
            found = []
            with transaction.atomic():
                feed.publish(self.ada.pk, text="later")
                with self.assertRaisesMessage(errors.ConfigurationError, "after its commit"):
                    feed.bus.consume("search", found.extend)
            self.assertTrue(feed.bus.consume("search", found.extend).done)
            self.assertEqual(len(found), 1)

    def test_a_decorated_function_is_a_new_transaction_each_time(self):
        @transaction.atomic
        def publish(text):
            feed.publish(self.ada.pk, text=text)
            return [item.post.text for item in feed.home(self.ada.pk)]

        self.assertEqual(publish("one"), ["one"])
        self.assertEqual(publish("two"), ["two", "one"])
        self.assertEqual([item.post.text for item in feed.home(self.ada.pk)], ["two", "one"])

    def test_metrics_are_told(self):
        if connection.vendor == "sqlite" and connection.is_in_memory_db():
            self.skipTest("what is made for one verb tells nothing")
        told = []

        class Metrics:
            def count(self, metric, amount, label=""):
                pass

            def observe(self, metric, value, label=""):
                told.append(metric.name)

        with override_settings(FEEDKIT={"key": "uuid", "metrics": Metrics}):
            feed.publish(self.ada.pk, text="one")
            with transaction.atomic():
                feed.publish(self.ada.pk, text="two")
            feed.home(self.ada.pk)
        self.assertEqual([name for name in told if name != "fanout_lag"], ["publish", "publish", "page"])

    def test_what_needs_a_transaction_of_its_own_says_so(self):
        if connection.vendor == "sqlite" and connection.is_in_memory_db():
            self.skipTest("there is one connection")
        with transaction.atomic():
            feed.publish(self.ada.pk, text="one")
            with self.assertRaisesMessage(errors.InvalidArgument, "commit first"):
                feed.rotate_cursor_key()
            self.assertEqual(len(feed.home(self.ada.pk)), 1)

    def test_a_connection_that_is_given_is_joined(self):
        with transaction.atomic():
            feed.publish(self.ada.pk, text="one", connection=connection)
            transaction.set_rollback(True)
        self.assertFalse(feed.home(self.ada.pk))


def in_another_thread(work):
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        return len(feed.home(uuid.uuid4())) if connection.in_atomic_block else work()
    done = []

    def run():
        try:
            done.append(work())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return done[0]
