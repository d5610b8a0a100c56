"""Addresses of operations, and of what stands around them."""

from django.urls import include, path

from opsportal.operations import approval_views, record_views, views, wizard_views

# /operations/<number>/
one = [
    path("", views.operation, name="operation"),
    path("steps/<int:index>/", views.operation_step, name="operation_step"),
    path("steps/<int:index>/resolve/", views.operation_resolve, name="operation_resolve"),
    path("cancel/", views.operation_cancel, name="operation_cancel"),
    path("retry/", views.operation_retry, name="operation_retry"),
    path("undo/", views.operation_undo, name="operation_undo"),
    path("again/", views.operation_again, name="operation_again"),
    path("approve/", approval_views.operation_approve, name="operation_approve"),
    path("reject/", approval_views.operation_reject, name="operation_reject"),
    path("revoke/", approval_views.operation_revoke, name="operation_revoke"),
    path("acknowledge/", approval_views.operation_acknowledge, name="operation_acknowledge"),
    path("pages/<slug:slug>/", wizard_views.operation_page, name="operation_page"),
    path("pages/<slug:slug>/check/", wizard_views.operation_page_check, name="operation_page_check"),
    path("review/", wizard_views.operation_review, name="operation_review"),
    path("read-again/", wizard_views.operation_replan, name="operation_replan"),
    path("submit/", wizard_views.operation_submit, name="operation_submit"),
    path("discard/", wizard_views.operation_discard, name="operation_discard"),
]

urlpatterns = [
    path("", views.home, name="home"),
    path("runbooks/", wizard_views.runbooks, name="runbooks"),
    path("runbooks/<str:name>/", wizard_views.runbook_start, name="runbook_start"),
    path("operations/", views.operations, name="operations"),
    path("operations/<int:pk>/", include(one)),
    path("operations/", include("opsportal.operations.log_urls")),
    path("approvals/", approval_views.approvals, name="approvals"),
    path("rulebook/", record_views.rulebook, name="rulebook"),
    path("restorations/", record_views.restorations, name="restorations"),
    path("restorations/<int:pk>/settle/", record_views.restoration_settle, name="restoration_settle"),
    path("audit/", record_views.audit_trail, name="audit"),
    path("audit/verify/", record_views.audit_verify, name="audit_verify"),
    path("audit/export.csv", record_views.audit_export, name="audit_export"),
]
