"""The first job of the portal, from the login form to packages on the operator's disk: real Git, Maven, rpmbuild and dpkg."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from opsportal.lab import practice_source
from opsportal.lab.forge import Forge
from opsportal.operations.models import Operation
from releases.models import Source
from tests.browser.conftest import PASSWORD, Live, PageAs
from tests.chaos.stack import Stack, wait_for
from tests.releases import practice

TOOLS = ("git", "mvn", "javac", "rpmbuild", "dpkg-buildpackage", "dh", "genisoimage", "perl")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.build,
    pytest.mark.skipif(bool(MISSING), reason=f"NO BUILD: not installed: {', '.join(MISSING)}"),
]

SECOND = 1000
READ = 60 * SECOND
"""How long a worker may take to read what a page shows: it fetches, tries patches and looks at the machine."""

BUILT = 240 * SECOND
"""How long a build of the practice source may take here; the first one downloads Maven's plugins."""

PATCHED = "PR 3 conflicts with PR 1 in server/src/practice/server/HostAllocator.java"
PACKAGES = ("agent", "common", "management")


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with Forge(practice_source.create(tmp_path_factory.mktemp("forge"))).running() as running:
        yield running


@pytest.fixture(scope="module")
def portal_stack(forge: Forge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One of its own, whose builds may fetch from the practice forge."""
    stack = Stack(tmp_path_factory.mktemp("portal") / "state", OPSPORTAL_GIT_HOSTS=forge.url)
    try:
        stack.start()
        stack.start_web()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def source(live: Live, forge: Forge) -> Source:
    """Registered once; the warm Maven repository is the source's."""
    return Source.objects.filter(name="Practice").first() or practice.register(forge)


Desk = Callable[..., Page]


@pytest.fixture
def desk(page_as: PageAs, source: Source, live: Live) -> Iterator[Desk]:
    """Pages of an operator at a desk. Nothing may be complained about on the browser's console."""
    said: list[str] = []

    def complained(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said.append(f"{message.type}: {message.text}")

    def opened(name: str = "", *, logged_in: bool = True) -> Page:
        page = page_as(user=live.person(name, "operator", password=PASSWORD), viewport={"width": 1440, "height": 900})
        if not logged_in:
            page.context.clear_cookies()
        page.on("console", complained)
        return page

    yield opened
    assert not said, said


@contextmanager
def recorded(page: Page, folder: Path, *, always: bool = False) -> Iterator[None]:
    """A Playwright trace of what the browser showed, kept beside the test's other files when it fails."""
    tracing, file = page.context.tracing, folder / "trace.zip"
    tracing.start(screenshots=True, snapshots=True)
    try:
        yield
    except BaseException as error:
        tracing.stop(path=file)
        error.add_note(f"The browser is recorded in {file}: playwright show-trace {file}")
        raise
    tracing.stop(path=file) if always else tracing.stop()


def begin(page: Page) -> Operation:
    """A draft, at its first page."""
    page.goto("/releases/builds/")
    page.get_by_role("link", name="New release").first.click()
    page.get_by_role("button", name="Start a draft").click()
    expect(page.locator("h1")).to_have_text("Source")
    return this(page)


def this(page: Page) -> Operation:
    number = re.search(r"/operations/(\d+)/", page.url)
    assert number
    return Operation.objects.get(pk=number[1])


def go_on(page: Page, title: str, button: str = "Continue") -> None:
    page.get_by_role("button", name=button).click()
    expect(page.locator("h1")).to_contain_text(title)


def kept(page: Page) -> None:
    expect(page.locator("#kept")).to_have_text("Kept.", timeout=READ)


def choose_source(page: Page, ref: str = "4.8") -> None:
    page.get_by_label("Source", exact=True).select_option(label="Practice")
    kept(page)
    page.get_by_label("Branch or tag").fill(ref)
    expect(page.locator("main")).to_contain_text("This commit is pinned", timeout=READ)


def started(page: Page, *patches: str) -> Operation:
    """A short build of 4.8, without packages, submitted through all pages of the wizard."""
    begin(page)
    choose_source(page)
    go_on(page, "Patches")
    page.get_by_label("Pull requests").fill("\n".join(patches))
    expect(page.locator("main .badge", has_text="applies")).to_have_count(len(patches), timeout=READ)
    go_on(page, "Version")
    expect(page.get_by_role("textbox", name="Version optional")).not_to_have_value("", timeout=READ)
    go_on(page, "Build")
    expect(page.locator("main")).to_contain_text("The build machine", timeout=READ)
    go_on(page, "Build a release", "Review the plan")
    page.get_by_role("button", name="Run: Build a release").click(timeout=READ)
    expect(page.locator("#moving .states")).to_contain_text("Running", timeout=READ)
    return this(page)


def log_size(page: Page) -> int:
    return int(page.locator(".log-foot .log-size").inner_text().split()[0].replace(",", "") or 0)


class TestARelease:
    def test_from_the_login_to_the_packages(self, desk: Desk, tmp_path: Path) -> None:
        page = desk("olga", logged_in=False)
        with recorded(page, tmp_path, always=True):
            self._log_in(page)
            begin(page)
            self._fill(page)
            self._review(page)
            self._watch(page)
            self._download(page, tmp_path)
        assert (tmp_path / "trace.zip").stat().st_size

    def _log_in(self, page: Page) -> None:
        page.goto("/releases/builds/")
        page.get_by_label("Username").fill("olga")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("h1")).to_have_text("Builds")

    def _fill(self, page: Page) -> None:
        choose_source(page)
        go_on(page, "Patches")
        page.get_by_label("Pull requests").fill("1\n2")
        rows = page.locator("main tbody tr")
        expect(rows.filter(has_text="PR 1")).to_contain_text("applies", timeout=READ)
        expect(rows.filter(has_text="Understand terabytes")).to_contain_text("Chiara Rossi")
        go_on(page, "Version")
        expect(page.get_by_role("textbox", name="Version optional")).to_have_value("4.8.0.1", timeout=READ)
        go_on(page, "Build")
        expect(page.get_by_label("Maven profiles")).to_have_value("systemvm")
        expect(page.get_by_label("RPM packages")).to_contain_text("centos7", timeout=READ)
        page.get_by_label("RPM packages").select_option("centos7")
        page.get_by_label("Debian packages").check()
        kept(page)

    def _review(self, page: Page) -> None:
        go_on(page, "4.8.0.1 of Practice, 4.8 with 2 pull requests", "Review the plan")
        for title in ("Apply pull request 1", "Apply pull request 2", "Set the version to 4.8.0.1", "Make RPM packages for centos7"):
            expect(page.get_by_role("heading", name=re.compile(title))).to_be_visible(timeout=READ)
        expect(page.locator("main")).to_contain_text("mvn -B -ntp clean install -P systemvm")
        page.get_by_role("button", name="Run: Build a release").click()

    def _watch(self, page: Page) -> None:
        """The log grows, modules and tests are counted, without a reload."""
        progress = page.locator("#build-progress")
        page.evaluate("window.sameDocument = true")
        expect(progress).to_contain_text(re.compile(r"module \d+ of 11"), timeout=BUILT)
        page.evaluate("window.sameDocument = true")
        before = log_size(page)
        wait_for(lambda: log_size(page) > before, "a longer log", 60)
        expect(progress.locator(".module-list li", has_text="ok").first).to_be_visible(timeout=BUILT)
        expect(progress).to_contain_text("Unit tests", timeout=BUILT)
        expect(page.locator("#moving .states")).to_contain_text("Succeeded", timeout=BUILT)
        expect(page.locator("#moving")).to_contain_text("Every step was done and proved.")
        assert page.evaluate("window.sameDocument"), "the page was loaded again while it was watched"

    def _download(self, page: Page, folder: Path) -> None:
        page.get_by_role("link", name="The build on record").click()
        expect(page.locator("#artefacts")).to_contain_text("practice-management")
        for part in PACKAGES:
            rpm = self._taken(page, folder, f"practice-{part}-4.8.0.1-1.el7.centos.x86_64.rpm")
            assert said("rpm", "-qp", "--nosignature", str(rpm)) == f"practice-{part}-4.8.0.1-1.el7.centos.x86_64"
            deb = self._taken(page, folder, f"practice-{part}_4.8.0.1_all.deb")
            assert said("dpkg-deb", "-f", str(deb), "Package", "Version") == f"Package: practice-{part}\nVersion: 4.8.0.1"

    def _taken(self, page: Page, folder: Path, name: str) -> Path:
        """Downloaded by a click; the sum is the one that the page shows."""
        row = page.locator("#artefacts tr").filter(has=page.locator(f'a[download="{name}"]'))
        with page.expect_download() as download:
            row.locator("a").click()
        path = folder / name
        download.value.save_as(path)
        expect(row.locator(f'[title="{said("sha256sum", str(path)).split()[0]}"]')).to_be_visible()
        return path


def said(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


class TestWhatGoesWrong:
    def test_a_conflict_is_named_at_the_field_and_nothing_runs(self, desk: Desk, tmp_path: Path) -> None:
        page = desk()
        with recorded(page, tmp_path):
            operation = begin(page)
            choose_source(page)
            go_on(page, "Patches")
            page.get_by_label("Pull requests").fill("1\n3")
            expect(page.locator("#fields")).to_contain_text(PATCHED, timeout=READ)
            go_on(page, "Version")
            go_on(page, "Build")
            go_on(page, "Build a release", "Review the plan")
            expect(page.locator("main")).to_contain_text(PATCHED, timeout=READ)
            expect(page.get_by_role("button", name="Run: Build a release").and_(page.locator(":enabled"))).to_have_count(0)
        operation.refresh_from_db()
        assert (operation.state, operation.steps.count()) == ("draft", 0)

    def test_reload_and_back_lose_nothing(self, desk: Desk, tmp_path: Path) -> None:
        page = desk()
        with recorded(page, tmp_path):
            begin(page)
            choose_source(page)
            go_on(page, "Patches")
            page.get_by_label("Pull requests").fill("2\n10")
            kept(page)
            page.reload()
            expect(page.get_by_label("Pull requests")).to_have_value("2\n10")
            go_on(page, "Version")
            page.get_by_role("textbox", name="Version optional").fill("4.8.0.77")
            page.go_back()
            expect(page.get_by_label("Pull requests")).to_have_value("2\n10")
            page.go_back()
            expect(page.get_by_label("Branch or tag")).to_have_value("4.8")
            page.go_forward()
            page.go_forward()
            expect(page.get_by_role("textbox", name="Version optional")).to_have_value("4.8.0.77")

    def test_a_failing_test_is_named_with_its_line_of_the_log(self, desk: Desk, tmp_path: Path) -> None:
        page = desk()
        with recorded(page, tmp_path):
            started(page, "8")
            expect(page.locator("#moving .states")).to_contain_text("Failed", timeout=BUILT)
            progress = page.locator("#build-progress")
            expect(progress.locator(".module-list li", has_text="failed")).to_contain_text("Practice Cloud Server", timeout=READ)
            link = progress.locator(".failed-tests a").first
            expect(link).to_contain_text("CapacityPlannerTest.")
            test = link.inner_text().split(".")[-1].strip()
            link.click()
            expect(page.locator(".log-row.log-chosen").first).to_contain_text(test)

    def test_cancel_ends_every_process_of_the_build(self, desk: Desk, live: Live, tmp_path: Path) -> None:
        page = desk()
        with recorded(page, tmp_path):
            operation = started(page, "10")
            expect(page.locator("#build-progress")).to_contain_text(re.compile(r"module \d+ of"), timeout=BUILT)
            workspace = str(live.stack.state / "workspaces" / operation.params["workspace"])
            assert processes_of(workspace), "nothing seems to run"
            page.get_by_role("button", name="Cancel this operation").click()
            page.get_by_role("dialog").get_by_role("button", name="Cancel this operation").click()
            asked = time.monotonic()
            wait_for(lambda: not processes_of(workspace), "the end of every process", 20)
            expect(page.locator("#moving .states")).to_contain_text("Cancelled", timeout=(20 - (time.monotonic() - asked)) * SECOND)


def processes_of(workspace: str) -> list[str]:
    """Command lines that name the workspace."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if workspace in words:
            found.append(words)
    return found
