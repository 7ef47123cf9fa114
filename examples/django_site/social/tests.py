from django.test import TestCase

from feedkit.django import feed
from social.models import Document, Follow, User


class SiteTests(TestCase):
    """Nothing is ever committed here, and feeds are delivered all the same."""

    def setUp(self):
        self.ada = User.objects.create(username="ada")
        self.bob = User.objects.create(username="bob")

    def as_user(self, user):
        self.client.force_login(user)
        return self.client

    def publish(self, user, text):
        return self.as_user(user).post("/posts", {"text": text}).json()

    def test_a_follow_and_a_post_show_up(self):
        answer = self.as_user(self.bob).post(f"/follow/{self.ada.pk}")
        self.assertEqual(answer.json(), {"status": "active"})
        self.assertEqual(Follow.objects.get().target, self.ada)
        self.publish(self.ada, "hello")
        self.assertContains(self.as_user(self.bob).get("/"), "<b>ada</b> hello")

    def test_likes_are_counted(self):
        post = self.publish(self.ada, "likeable")
        self.assertEqual(self.as_user(self.bob).post(f"/posts/{post['id']}/like").status_code, 204)
        item = self.client.get(f"/posts/{post['id']}").json()
        self.assertEqual(item["viewer"]["reacted"], ["like"])
        self.assertEqual(item["counts"]["reactions"], 1)

    def test_who_is_blocked_finds_nothing(self):
        post = self.publish(self.ada, "not for bob")
        feed.block(self.ada.pk, self.bob.pk)
        self.assertEqual(self.as_user(self.bob).get(f"/posts/{post['id']}").status_code, 404)
        self.assertEqual(self.client.get(f"/people/{self.ada.pk}").json()["items"], [])

    def test_what_feedkit_refuses_is_not_stored_by_the_site_either(self):
        answer = self.as_user(self.ada).post("/posts", {"text": "x" * 10_001})
        self.assertEqual(answer.status_code, 400)
        self.assertEqual(answer.json()["error"]["code"], "limit_exceeded")
        self.assertFalse(Document.objects.exists())
