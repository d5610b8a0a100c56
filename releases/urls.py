"""Addresses of releases."""

from django.urls import include, path

from releases import repository_views, schedule_views, source_views, views

# /releases/builds/<number>/
build = [
    path("", views.build, name="build"),
    path("again/", views.build_again, name="build_again"),
    path("retry/", views.build_retry, name="build_retry"),
    path("keep/", views.build_keep, name="build_keep"),
    path("forget/", views.build_forget, name="build_forget"),
    path("SHA256SUMS", views.build_sums, name="build_sums"),
    path("servers/", views.build_servers, name="build_servers"),
    path("servers/read/", views.build_servers_read, name="build_servers_read"),
]

# /releases/sources/<number>/
source = [
    path("", source_views.source, name="source"),
    path("state/", source_views.source_state, name="source_state"),
    path("look/", source_views.source_look, name="source_look"),
    path("edit/", source_views.source_edit, name="source_edit"),
    path("retention/", source_views.source_retention, name="source_retention"),
    path("remove/", source_views.source_remove, name="source_remove"),
]

# /releases/schedules/<number>/
schedule = [
    path("", schedule_views.schedule, name="schedule"),
    path("edit/", schedule_views.schedule_edit, name="schedule_edit"),
    path("switch/", schedule_views.schedule_switch, name="schedule_switch"),
    path("run/", schedule_views.schedule_run, name="schedule_run"),
    path("remove/", schedule_views.schedule_remove, name="schedule_remove"),
]

# /releases/repositories/<number>/
repository = [
    path("", repository_views.repository, name="repository"),
    path("edit/", repository_views.repository_edit, name="repository_edit"),
    path("key/", repository_views.repository_key, name="repository_key"),
    path("password/", repository_views.repository_password, name="repository_password"),
    path("remove/", repository_views.repository_remove, name="repository_remove"),
]

urlpatterns = [
    path("sources/", source_views.sources, name="sources"),
    path("sources/new/", source_views.source_new, name="source_new"),
    path("sources/check/", source_views.source_check, name="source_check"),
    path("sources/address/", source_views.source_address, name="source_address"),
    path("sources/address/<int:pk>/", source_views.source_answer, name="source_answer"),
    path("sources/<int:pk>/", include(source)),
    path("builds/", views.builds, name="builds"),
    path("builds/charts/", views.builds_charts, name="builds_charts"),
    path("builds/compare/", views.builds_compare, name="builds_compare"),
    path("builds/compare/<int:older>/<int:newer>/commits/", views.builds_commits, name="builds_commits"),
    path("builds/of-operation/<int:pk>/progress/", views.build_progress, name="build_progress"),
    path("builds/<int:pk>/", include(build)),
    path("artefacts/<int:pk>/", views.artefact, name="artefact"),
    path("schedules/", schedule_views.schedules, name="schedules"),
    path("schedules/new/", schedule_views.schedule_new, name="schedule_new"),
    path("schedules/times/", schedule_views.schedules_times, name="schedules_times"),
    path("schedules/<int:pk>/", include(schedule)),
    path("repositories/", repository_views.repositories, name="repositories"),
    path("repositories/new/", repository_views.repository_new, name="repository_new"),
    path("repositories/<int:pk>/", include(repository)),
    path("packages/<slug:slug>/<slug:channel>/<path:path>", repository_views.repository_file, name="repository_file"),
    path("clean-up/", views.clean_up, name="clean_up"),
    path("clean-up/measure/", views.disks_measure, name="disks_measure"),
]
