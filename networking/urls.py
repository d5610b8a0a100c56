from django.urls import path

from networking import design_views, together_views, views

urlpatterns = [
    path("", views.networks, name="networks"),
    path("clouds/<int:pk>/", together_views.network_cloud, name="network_cloud"),
    path("pools/<int:pk>/", together_views.network_pool, name="network_pool"),
    path("designs/", design_views.network_designs, name="network_designs"),
    path("designs/new/", design_views.network_design_new, name="network_design_new"),
    path("designs/<int:pk>/", design_views.network_design, name="network_design"),
    path("designs/<int:pk>/edit/", design_views.network_design_edit, name="network_design_edit"),
    path("designs/<int:pk>/remove/", design_views.network_design_remove, name="network_design_remove"),
    path("<int:pk>/", views.network, name="network"),
    path("<int:pk>/read/", views.network_read, name="network_read"),
]
