"""The paths of the project."""

from django.contrib import admin
from django.urls import path
from notes import views

urlpatterns = [
    path("", views.index),
    path("admin/", admin.site.urls),
    path("count", views.count),
    path("fail", views.fail),
    path("stream", views.stream),
    path("upload", views.upload),
]
