from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from feedkit import FeedkitError
from feedkit.django import feed
from social.models import Document, Follow, User


class FeedErrors:
    """Answers with what feedkit says of its errors."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, _: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, FeedkitError):
            return JsonResponse(error.to_dict(), status=error.http_status, headers=error.http_headers)
        return None


@require_POST
@login_required
@transaction.atomic
def follow(request: HttpRequest, other) -> HttpResponse:
    Follow.objects.get_or_create(user=request.user, target_id=other)  # the site's own table
    relation = feed.follow(request.user.pk, other)
    return JsonResponse({"status": relation.status})


@require_POST
@login_required
@transaction.atomic
def publish(request: HttpRequest) -> HttpResponse:
    document = Document.objects.create(author=request.user, text=request.POST["text"])
    post = feed.publish(request.user.pk, text=document.text, ref=f"document:{document.pk}")
    return JsonResponse(post.to_dict(), status=201)


@require_POST
@login_required
def like(request: HttpRequest, post_id: int) -> HttpResponse:
    feed.react(request.user.pk, post_id, "like")
    return HttpResponse(status=204)


@require_GET
@login_required
def home(request: HttpRequest) -> HttpResponse:
    page = feed.home(request.user.pk, cursor=request.GET.get("cursor"))
    people = User.objects.in_bulk(page.author_keys)  # one query
    items = [(item, people[item.author.key]) for item in page]
    return render(request, "home.html", {"page": page, "items": items})


@require_GET
def post(request: HttpRequest, post_id: int) -> HttpResponse:
    return JsonResponse(feed.post(_viewer(request), post_id).to_dict())


@require_GET
def profile(request: HttpRequest, other) -> HttpResponse:
    page = feed.profile(_viewer(request), other, cursor=request.GET.get("cursor"))
    return JsonResponse(page.to_dict())


def _viewer(request: HttpRequest):
    return request.user.pk if request.user.is_authenticated else None
