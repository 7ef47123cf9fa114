from django.urls import path
from social import views

urlpatterns = [
    path("", views.home),
    path("follow/<uuid:other>", views.follow),
    path("posts", views.publish),
    path("posts/<int:post_id>", views.post),
    path("posts/<int:post_id>/like", views.like),
    path("people/<uuid:other>", views.profile),
]
