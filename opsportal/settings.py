"""Every setting, from the environment. A wrong value stops the start; a missing secret is never made up in production."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()
"""Reads NAME, or the file that NAME_FILE names."""

STATE_DIR = Path(env.str("OPSPORTAL_STATE_DIR", default=str(BASE_DIR / "var")))
"""Everything the portal writes: database, keys, workspaces, artefacts. One directory to back up."""

TESTING = not {"pytest", "mypy"}.isdisjoint(sys.modules)
"""Tests, and the type checker, which loads the settings to know the models."""

EMBEDDED = env.bool("OPSPORTAL_EMBEDDED", default=False) or TESTING
"""True under `make run` and in tests: one machine, plain HTTP on loopback, SQLite, the practice cloud."""

DEBUG = False


def _secret_key() -> str:
    """From SECRET_KEY or SECRET_KEY_FILE; the embedded portal keeps its own in the state directory."""
    value: str = env.str("SECRET_KEY", default="")
    if value:
        if len(value) < 50 and not EMBEDDED:
            raise ImproperlyConfigured(
                f"SECRET_KEY has {len(value)} characters. Sessions are signed with it: use a random text of 50 or more."
            )
        return value
    kept = STATE_DIR / "secret_key"
    if kept.exists():
        return kept.read_text().strip()
    if TESTING:
        return "only-for-tests-" + "x" * 50
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Put a random text of 50 or more letters into the environment variable SECRET_KEY, "
        "or its file's name into SECRET_KEY_FILE. `make run` does this for you."
    )


SECRET_KEY = _secret_key()


def _allowed_hosts() -> list[str]:
    hosts: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if EMBEDDED else [])
    if not hosts:
        raise ImproperlyConfigured("ALLOWED_HOSTS is not set. Name the host names of the portal, with commas between: portal.example.org")
    if any(host in ("*", ".") for host in hosts):
        raise ImproperlyConfigured(
            "ALLOWED_HOSTS allows every name. Links in pages could then lead anywhere: name the portal's own host names."
        )
    return hosts


def _public_url() -> str:
    """Where people find the portal: "https://portal.example.org"."""
    url: str = env.str("PUBLIC_URL", default="")
    parts = urlparse(url)
    if url and (parts.scheme not in (("http", "https") if EMBEDDED else ("https",)) or not parts.hostname or parts.path.strip("/")):
        raise ImproperlyConfigured(f"PUBLIC_URL={url} is not the address of a portal: write https://portal.example.org, without a path.")
    return url.rstrip("/")


ALLOWED_HOSTS = _allowed_hosts()
PUBLIC_URL = _public_url()
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_htmx",
    "template_partials",
    "opsportal.web",
    "opsportal.operations",
    "opsportal.lab",
    "hosts",
    "releases",
    "networking",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "opsportal.web.middleware.session_ended",
    "opsportal.web.middleware.own_password_first",
    "opsportal.web.sight.own_part_only",
    "opsportal.web.middleware.no_store",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "opsportal.urls"
ASGI_APPLICATION = "opsportal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "opsportal.web.context.page",
            ],
            "builtins": ["opsportal.web.templatetags.portal"],
        },
    }
]
FORM_RENDERER = "opsportal.web.forms.PortalFormRenderer"

NAVIGATION = [
    ("Home", "home", "house", "viewer"),
    ("Inventory", "", "", ""),
    ("Clouds", "clouds", "cloud", "viewer"),
    ("Hosts", "hosts", "server", "viewer"),
    ("Credentials", "credentials", "key-round", "administrator"),
    ("Releases", "", "", ""),
    ("Sources", "sources", "git-branch", "viewer"),
    ("Builds", "builds", "package", "viewer"),
    ("Schedules", "schedules", "calendar-clock", "viewer"),
    ("Repositories", "repositories", "archive", "viewer"),
    ("Networking", "", "", ""),
    ("Networks", "networks", "network", "viewer"),
    ("Operations", "", "", ""),
    ("Runbooks", "runbooks", "book-open", "viewer"),
    ("All operations", "operations", "list-checks", "viewer"),
    ("Approvals", "approvals", "stamp", "viewer"),
    ("Restorations", "restorations", "undo-2", "viewer"),
    ("Rulebook", "rulebook", "scale", "viewer"),
    ("Practice", "", "", ""),
    ("Lab", "lab", "flask-conical", "viewer"),
    ("Administration", "", "", ""),
    ("People", "people", "users", "administrator"),
    ("Audit trail", "audit", "scroll-text", "administrator"),
]
"""The menu: label, name of the address, lucide icon, role that sees it. An entry whose address does not exist is left out.
One without an address is the heading of those after it."""


def _database() -> dict[str, Any]:
    """DATABASE_URL, or SQLite in the state directory, opened so that several processes can write."""
    if env.str("DATABASE_URL", default=""):
        database: dict[str, Any] = env.db("DATABASE_URL")
        if database.get("ENGINE") not in ("django.db.backends.postgresql", "django.db.backends.sqlite3"):
            raise ImproperlyConfigured("DATABASE_URL names PostgreSQL, as in postgres://name:password@host/database?sslmode=verify-full")
        if database["ENGINE"] == "django.db.backends.postgresql" and not TESTING:
            # Connections outlive requests in a pool; under ASGI CONN_MAX_AGE must stay 0.
            database.setdefault("OPTIONS", {})["pool"] = {"min_size": 0, "max_size": env.int("DATABASE_POOL", default=8)}
        return database
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": STATE_DIR / "portal.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "opsportal.web.login.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
"""Further tries change nothing: the page says until when, and that stays true."""
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_IPWARE_PROXY_COUNT = env.int("TRUSTED_PROXIES", default=0) or None
FRESH_LOGIN_SECONDS = 300
"""How long a password entered for a dangerous act counts."""

SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if not EMBEDDED:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.int("TRUSTED_PROXIES", default=0) else None
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
    SECURE_HSTS_SECONDS = 31536000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = STATE_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if TESTING
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = TESTING


def _redis_url() -> str:
    url: str = env.str("REDIS_URL", default="redis://127.0.0.1:1/0" if TESTING else "")
    if url and urlparse(url).scheme not in ("redis", "rediss", "unix"):
        raise ImproperlyConfigured("REDIS_URL begins with redis://, rediss:// (TLS) or unix://, as in redis://:password@host:6379/0")
    return url


REDIS_URL = _redis_url()


def _broker() -> str:
    """Celery's name for a Redis on a local socket differs from redis-py's."""
    parts = urlparse(REDIS_URL)
    return f"redis+socket://{parts.path}" if parts.scheme == "unix" else REDIS_URL


CELERY_BROKER_URL = _broker()
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "health_check_interval": 25,
    "socket_keepalive": True,
    # A broker that is away must not hold up the page that sends to it: the sweeper sends again what was lost.
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "max_retries": 1,
    "interval_start": 0,
}
CELERY_WORKER_DIRECT = True
"""Each worker has a queue of its own for the watchdog's messages."""
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "opsportal.operations.tasks.sweep", "schedule": 5.0, "options": {"queue": "control", "expires": 10}},
    "read": {"task": "hosts.tasks.read_due", "schedule": 15.0, "options": {"queue": "ssh", "expires": 15}},
    "networks": {"task": "networking.tasks.read_due", "schedule": 15.0, "options": {"queue": "ssh", "expires": 15}},
    "tails": {"task": "hosts.tasks.follow_logs", "schedule": 5.0, "options": {"queue": "ssh", "expires": 5}},
    "nightly": {"task": "releases.tasks.start_due_builds", "schedule": 30.0, "options": {"queue": "control", "expires": 60}},
    "sessions": {"task": "opsportal.operations.tasks.forget_sessions", "schedule": 86400.0, "options": {"queue": "control"}},
    **{
        f"clear-{queue}": {
            "task": "opsportal.operations.tasks.clear",
            "args": [queue],
            "schedule": 3600.0,
            "options": {"queue": queue, "expires": 3600},
        }
        for queue in ("ssh", "build")
    },
    "retention": {"task": "releases.tasks.apply_retention", "schedule": 3600.0, "options": {"queue": "build", "expires": 3600}},
}

RUNBOOKS = [
    "releases.runbooks.build_release.BuildRelease",
    "releases.runbooks.merge_pull_request.MergePullRequest",
    "releases.runbooks.prepare_build_host.PrepareBuildHost",
    "releases.runbooks.publish_build.PublishBuild",
    "releases.runbooks.promote_build.PromoteBuild",
    "releases.runbooks.withdraw_build.WithdrawBuild",
    "releases.runbooks.upgrade_management_servers.UpgradeManagementServers",
    "releases.runbooks.upgrade_kvm_agents.UpgradeKvmAgents",
    "hosts.runbooks.enable_pool_ha.EnablePoolHa",
    "hosts.runbooks.change_pool_master.ChangePoolMaster",
    "hosts.runbooks.change_ha_timeout.ChangeHaTimeout",
    "hosts.runbooks.disable_pool_ha.DisablePoolHa",
    "hosts.runbooks.re_enable_host.ReEnableHost",
    "hosts.runbooks.unprotect_vms.UnprotectVms",
    "hosts.runbooks.add_host_to_pool.AddHost",
    "hosts.runbooks.remove_host_from_pool.RemoveHost",
    "hosts.runbooks.recover_pool.RecoverPool",
    "hosts.runbooks.rolling_maintenance.RollingMaintenance",
    "hosts.runbooks.prepare_maintenance.PrepareMaintenance",
    "hosts.runbooks.cancel_maintenance.CancelMaintenance",
    "hosts.runbooks.return_host.ReturnHost",
    "hosts.runbooks.reconnect_host.ReconnectHost",
    "hosts.runbooks.manage_cluster.ManageCluster",
    "hosts.runbooks.remove_host_from_cloud.RemoveHostFromCloud",
    "hosts.runbooks.add_host_to_cloud.AddHostToCloud",
    "hosts.runbooks.make_unique.MakeUnique",
    "hosts.runbooks.prepare_template.PrepareTemplate",
    "networking.runbooks.install_open_vswitch.InstallOpenVswitch",
    "networking.runbooks.prepare_kvm_host.PrepareKvmHost",
    "networking.runbooks.hypervisor_networking.HypervisorNetworking",
    "networking.runbooks.add_bridge.AddBridge",
    "networking.runbooks.add_bond.AddBond",
    "networking.runbooks.add_vlan.AddVlan",
    "networking.runbooks.add_internal_port.AddInternalPort",
    "networking.runbooks.set_mtu.SetMtu",
    "networking.runbooks.keep_network.KeepNetwork",
    "networking.runbooks.virtual_address.VirtualAddress",
    "networking.runbooks.failover_drill.FailoverDrill",
    "networking.runbooks.link_switches.LinkSwitches",
    "networking.runbooks.register_with_controller.RegisterWithController",
    "networking.runbooks.join_ovn.JoinOvn",
    "networking.runbooks.leave_controller.LeaveController",
    "networking.runbooks.remove_port.RemovePort",
    "networking.runbooks.remove_bridge.RemoveBridge",
    "opsportal.operations.runbooks.undo.Undo",
    "opsportal.operations.runbooks.restore.Restore",
    *env.list("OPSPORTAL_RUNBOOKS", default=[]),
]
"""Every kind of work, in the order of the menu; a site adds its own by dotted path."""

STANDING_RULES = ["hosts.xen.findings.RULES", "hosts.cloudstack.findings.RULES"]
"""Lists of rules that readings of the inventory are held against; the rulebook shows them after those of the runbooks."""

TARGETS = {"local": "opsportal.operations.targets.local", "host": "hosts.connections.connect"}
"""Which function opens a target: "local", or "host:3"."""

SECRETS = {"credential": "hosts.sealing.named", "repository": "releases.signing.named"}
"""Which function gives a secret that a step writes to a host: "credential:3"."""

SEALED = ["hosts.sealing.seal_all_again", "releases.signing.seal_all_again"]
"""Functions that seal every secret of a room with the first key of the key file, and give their number."""

STORES = ["releases.downloading.content"]
"""Functions that give the bytes of a file which a plan names by its SHA-256, or None: it is kept outside of the database."""

SIGHT = "opsportal.lab.participants.limits"
"""Which function says that a person sees only some clouds: it gives `opsportal.web.sight.Limits`, or None."""

TARGET_NAMES = {"host": "hosts.queries.called", "pool": "hosts.pools.called", "cloud": "hosts.pools.clouds_called"}
"""Which function says what people call targets of a kind, and where their pages are."""

TARGET_LISTS = ["hosts.queries.target_names"]
"""Functions that name every target of an inventory, for `manage.py reconcile`."""

KEY_FILE = Path(env.str("OPSPORTAL_KEY_FILE", default=str(STATE_DIR / "keys")))
"""The keys that encrypt stored credentials: first line encrypts, every line decrypts."""

LEASE_SECONDS = 20
SLICE_SECONDS = 45
APPROVAL_HOURS = 4
CONTROL_DAYS = 14
"""Days after its end for which an operation's scripts and outputs stay on its targets."""
LOG_CAP_BYTES = env.int("OPSPORTAL_LOG_CAP_BYTES", default=4 * 1024**3)
TAIL_CAP_BYTES = 16 * 1024**2
"""What is kept of a host's log that somebody follows."""


def _log_places() -> list[str]:
    """Absolute paths, in which a * stands for anything within one name."""
    more: list[str] = env.list("OPSPORTAL_LOG_PLACES", default=[])
    if wrong := [place for place in more if not re.fullmatch(r"(/[A-Za-z0-9_@+*-][A-Za-z0-9_.@+*-]*)+", place)]:
        raise ImproperlyConfigured(f"OPSPORTAL_LOG_PLACES: {wrong[0]} is not the absolute path of a log, as in /srv/app/log/*.log")
    return more


LOG_PLACES = _log_places()
"""Logs of hosts that may be followed besides the usual ones (see hosts.tails.places)."""

COMMITTER_NAME = env.str("OPSPORTAL_COMMITTER_NAME", default="opsportal")
COMMITTER_EMAIL = env.str("OPSPORTAL_COMMITTER_EMAIL", default="opsportal@localhost.invalid")
"""The identity in Signed-off-by and in the version commit."""

MAVEN_SETTINGS = env.str("OPSPORTAL_MAVEN_SETTINGS", default="")
"""A settings.xml on the build machines, without secrets: mirrors of repositories. Builds get a copy."""

GIT_HOSTS = env.list("OPSPORTAL_GIT_HOSTS", default=["github.com"])
"""Hosts that a source or a pull request may come from; an entry with a scheme and port is taken exactly."""

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="WARNING")},
}
