"""Addresses around a person: signing in, passwords, people; and the portal's health."""

from django.contrib.auth import views as auth
from django.urls import path

from opsportal.web import fresh, health, login, people_views

urlpatterns = [
    path("login/", login.Login.as_view(), name="login"),
    path("login/again/", fresh.fresh_login, name="fresh_login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("password/", login.PasswordChange.as_view(), name="password_change"),
    path("people/", people_views.people_list, name="people"),
    path("people/new/", people_views.person_new, name="person_new"),
    path("people/<int:pk>/", people_views.person, name="person"),
    path("people/<int:pk>/name/", people_views.person_rename, name="person_rename"),
    path("people/<int:pk>/roles/", people_views.person_roles, name="person_roles"),
    path("people/<int:pk>/deactivate/", people_views.person_deactivate, name="person_deactivate"),
    path("people/<int:pk>/activate/", people_views.person_activate, name="person_activate"),
    path("people/<int:pk>/password/", people_views.person_reset, name="person_reset"),
    path("people/<int:pk>/sign-out/", people_views.person_sign_out, name="person_sign_out"),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
]
