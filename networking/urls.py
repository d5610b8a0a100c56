from django.urls import path

from networking import views

urlpatterns = [
    path("", views.networks, name="networks"),
    path("<int:pk>/", views.network, name="network"),
    path("<int:pk>/read/", views.network_read, name="network_read"),
]
