"""The pages there are."""

from django.urls import path

from project import views

urlpatterns = [path("", views.index), path("database", views.database)]
