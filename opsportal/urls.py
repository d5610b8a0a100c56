"""Every address of the portal."""

from django.contrib.auth import views as auth
from django.urls import include, path

from opsportal.web import fresh

urlpatterns = [
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("login/again/", fresh.fresh_login, name="fresh_login"),
    path("account/password/", auth.PasswordChangeView.as_view(), name="password_change"),
    path("account/password/done/", auth.PasswordChangeDoneView.as_view(), name="password_change_done"),
    path("hosts/", include("hosts.urls")),
    path("releases/", include("releases.urls")),
    path("", include("opsportal.operations.urls")),
]
