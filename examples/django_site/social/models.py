import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)


class Follow(models.Model):
    """The site had this table before it had feedkit."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    target = models.ForeignKey(User, models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "target"], name="once")]


class Document(models.Model):
    author = models.ForeignKey(User, models.CASCADE)
    text = models.TextField()
