"""Prepare a build host: the real facts on this machine, the real engine, a package manager that is ours."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from opsportal.operations import approval, followers, planning
from opsportal.operations.facts import Fact, FactError
from opsportal.operations.guards import Guard
from opsportal.operations.models import Operation
from opsportal.operations.states import OperationState as S
from opsportal.operations.steps import RunCommand
from opsportal.packages.offers import Effects, Offer, Offered, Simulated
from opsportal.transport.base import Result
from opsportal.transport.command import AS_ROOT
from releases import prepare_guards as guards
from releases import preparing
from releases.facts.checkout import Checkout
from releases.facts.mirror import Resolved
from releases.facts.portal import Registered
from releases.facts.requirements import build_depends, build_requires
from releases.facts.tools import Jdk, Space, Toolbox, Tools
from releases.models import Source
from releases.runbooks.prepare_build_host import PrepareForm, PrepareParams
from tests.operations.driving import draft, run
from tests.releases import practice, trees

pytestmark = pytest.mark.django_db(transaction=True)

APT_GET = """\
#!/bin/sh
cd "$(dirname "$0")/.."
echo "$*" >>calls
case "$*" in
  update*) touch lists ;;
  *-s*install*) for name in devscripts libdevscripts; do echo "Inst $name (1.0 Debian:12 [all])"; done ;;
  install*) for last; do :; done; [ ! -e broken ] || { echo "E: Unable to fetch some archives" >&2; exit 100; }
    printf '#!/bin/sh\\n' >bin/dch; chmod +x bin/dch; echo devscripts >>installed ;;
  remove*) rm -f bin/dch installed ;;
esac
"""
APT_CACHE = """\
#!/bin/sh
for name; do
  case $name in openjdk-7* | openjdk-8* | openjdk-11*) ;; *) printf '%s:\\n  Candidate: 1.0\\n' "$name" ;; esac
done
"""
DPKG_QUERY = """\
#!/bin/sh
cd "$(dirname "$0")/.."
printf 'ii  debhelper, debhelper-compat (= 13)\\nrc  devscripts, \\n'
for name in openjdk-17-jdk-headless genisoimage maven lsb-release; do printf 'ii  %s, \\n' "$name"; done
[ ! -e installed ] || sed 's/^/ii  /' installed
"""


@pytest.fixture
def machine(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This machine without dch, and with a package manager that is ours. Answers its folder: `calls` is what its apt-get was told."""
    place = tmp_path / "machine"
    (place / "bin").mkdir(parents=True)
    tools = {name: "#!/bin/sh\n" for name in trees.ALL if not shutil.which(name)}
    fakes = {**tools, "apt-get": APT_GET, "apt-cache": APT_CACHE, "dpkg-query": DPKG_QUERY, "dpkg": "#!/bin/sh\n"}
    for name, text in fakes.items():
        (place / "bin" / name).write_text(text)
        (place / "bin" / name).chmod(0o755)
    for real in (file for folder in os.environ["PATH"].split(":") if Path(folder).is_dir() for file in Path(folder).iterdir()):
        link = place / "bin" / real.name
        if real.name != "dch" and not link.exists() and not link.is_symlink():
            link.symlink_to(real)
    (place / "bin" / "dch").unlink(missing_ok=True)
    monkeypatch.setenv("PATH", str(place / "bin"))
    return place


@pytest.fixture
def olga(person: Callable[..., User]) -> User:
    return person("olga", "operator")


def planned(olga: User, **params: Any) -> Operation:
    """For Debian packages made by build-deb.sh, which calls dch."""
    return draft("prepare-build-host", olga, target="local", **params)


def calls(machine: Path) -> list[str]:
    return [line for line in (machine / "calls").read_text().splitlines() if " -s " not in f" {line} "]


@pytest.fixture
def main(source: Source) -> dict[str, Any]:
    return {"source": source.pk, "ref": "main", "deb": True}


def test_installs_what_is_missing_and_proves_it(machine: Path, olga: User, main: dict[str, Any]) -> None:
    operation = planned(olga, **main)
    assert [step.title for step in operation.frozen().steps] == ["Fetch the package lists", "Install devscripts"], operation.plan_error
    assert operation.looks["review"]["new"] == ["devscripts", "libdevscripts"]
    approval.submit(operation, user=olga)
    operation = run(operation)
    assert operation.state == S.SUCCEEDED, operation.outcome
    first, second = calls(machine)
    assert first.startswith("update")
    assert second.startswith("install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120")
    assert second.endswith("-- devscripts")


def test_undo_removes_exactly_what_came(machine: Path, olga: User, main: dict[str, Any]) -> None:
    operation = planned(olga, **main)
    approval.submit(operation, user=olga)
    back = followers.undo(run(operation), user=olga, token="u1")
    planning.work(back.pk)
    back.refresh_from_db()
    approval.submit(back, user=olga)
    back = run(back)
    assert back.state == S.SUCCEEDED, back.outcome
    assert calls(machine)[-1] == "remove -q -y -o DPkg::Lock::Timeout=120 -- devscripts libdevscripts"


def test_nothing_to_do_says_what_is_there(machine: Path, olga: User) -> None:
    operation = planned(olga)
    assert operation.frozen().steps == ()
    because = operation.frozen().because
    assert because.startswith("Everything is there: git ")
    assert "JDK " in because


def test_an_installation_that_fails_is_a_failed_operation(machine: Path, olga: User, main: dict[str, Any]) -> None:
    (machine / "broken").touch()
    operation = planned(olga, **main)
    approval.submit(operation, user=olga)
    operation = run(operation)
    assert operation.state == S.FAILED
    assert "exit code 100" in operation.outcome


# --- what is missing, as a table ------------------------------------------------------------------------------------------------

OLD_DEB = build_depends(
    "Source: cloudstack\nBuild-Depends: debhelper (>= 9), openjdk-8-jdk | openjdk-7-jdk,\n genisoimage, python (>= 2.7)\n"
)


def test_control_files_give_groups_of_alternatives() -> None:
    assert OLD_DEB == (("debhelper",), ("openjdk-8-jdk", "openjdk-7-jdk"), ("genisoimage",), ("python",))
    assert build_depends("Build-Depends: debhelper-compat (= 13), python3:any, libfoo [amd64] <!nocheck>\nX: y") == (
        ("debhelper-compat",),
        ("python3",),
        ("libfoo",),
    )
    assert build_depends("Source: x\n") == ()


def test_specs_give_groups_of_alternatives() -> None:
    spec = "BuildRequires: (java-11-openjdk-devel or java-17-openjdk-devel)\nBuildRequires: maven >= 3.0.0, gcc glibc-devel\n"
    spec += "BuildRequires: /usr/bin/mkisofs\nBuildRequires: %{something}\n"
    assert build_requires(spec) == (
        ("java-11-openjdk-devel", "java-17-openjdk-devel"), ("maven",), ("gcc",), ("glibc-devel",), ("/usr/bin/mkisofs",),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["-oAPT::x", "foo-", "foo;id", "$(id)", "foo=1", "--force"])
def test_what_a_foreign_control_file_names_is_never_an_option(name: str) -> None:
    assert build_depends(f"Build-Depends: git, {name}\n") == (("git",),)


def test_a_jdk_that_the_distribution_lacks_is_named_with_what_it_has() -> None:
    box = trees.toolbox(without=("mvn",))
    box = dataclasses.replace(box, jdks=())
    offer = trees.offer("maven", "openjdk-21-jdk-headless")
    found = preparing.lack(trees.tree(), box, offer, (), rpm=False, deb=False)
    assert found.install == ("maven",)
    assert found.nowhere == ("a JDK 8 or 7: its package manager offers 21",)


def test_the_level_of_the_branch_is_installed_where_it_is_offered() -> None:
    offer = trees.offer("openjdk-8-jdk-headless", "openjdk-11-jdk-headless")
    assert preparing.lack(trees.tree(), trees.toolbox(), offer, (), rpm=False, deb=False).install == ("openjdk-8-jdk-headless",)
    assert preparing.lack(trees.modern(version="4.19.0.0"), trees.toolbox(), offer, (), rpm=False, deb=False).jdk.level == 11


def test_a_jdk_that_compiles_the_level_will_do_where_the_right_one_is_not_offered() -> None:
    found = preparing.lack(trees.tree(), trees.toolbox(), trees.offer(), (), rpm=False, deb=False)
    assert (found.jdk.level, found.jdk.found, found.nowhere) == (0, "17.0.15", ())


def test_one_of_the_alternatives_is_enough() -> None:
    there = trees.offer("python", "genisoimage", installed=("debhelper", "genisoimage", "openjdk-7-jdk"))
    found = preparing.lack(trees.tree(), trees.toolbox(Jdk("/usr/lib/jvm/7", "1.7.0_80")), there, OLD_DEB, rpm=False, deb=True)
    assert found.install == ("python",)


def test_without_lists_everything_that_is_missing_is_tried() -> None:
    found = preparing.lack(None, trees.toolbox(without=("dh",)), trees.offer(lists=False), (), rpm=False, deb=True)
    assert (found.install, found.nowhere) == (("debhelper",), ())


def test_red_hat_has_other_names() -> None:
    box = trees.toolbox(without=("rpmbuild", "genisoimage"), os="rocky", os_version="9.4", family="redhat")
    offer = trees.offer("rpm-build", "/usr/bin/mkisofs", "java-17-openjdk-devel", manager="dnf")
    found = preparing.lack(trees.modern(), box, offer, (), rpm=True, deb=False)
    assert found.install == ("rpm-build", "/usr/bin/mkisofs")
    (install,) = preparing.steps("host:3", dataclasses.replace(box, sudo="yes"), offer, found, None)
    assert isinstance(install.action, RunCommand)
    assert install.action.command.words() == (
        *AS_ROOT, "dnf", "install", "-y", "--setopt=install_weak_deps=False", "rpm-build", "/usr/bin/mkisofs",
    )  # fmt: skip


# --- what the machine says ------------------------------------------------------------------------------------------------------


def test_debian_answers() -> None:
    text = "manager apt\nlists yes\nhas git\nhas debhelper-compat\noffers git\noffers openjdk-17-jdk-headless\nend\n"
    fact = Offered("local", ("debhelper-compat", "git", "openjdk-17-jdk-headless", "openjdk-8-jdk-headless"))
    assert fact.parse(Result(0, text)) == Offer("apt", True, ("debhelper-compat", "git"), ("git", "openjdk-17-jdk-headless"))


def test_half_an_answer_is_no_answer() -> None:
    with pytest.raises(FactError, match="could not be asked"):
        Offered("local", ("git",)).parse(Result(0, "manager apt\nlists yes\n"))
    with pytest.raises(FactError, match="could not be asked"):
        Offered("local", ("git",)).parse(Result(127, "", "sh: not found"))


def test_a_simulation_tells_new_from_changed_and_removed() -> None:
    text = "Inst hello (2.10-3 Debian:12 [amd64])\nInst openssl [3.0.1] (3.0.2 Debian:12 [amd64])\nRemv exim4 [4.96]\nConf hello (2.10-3)\n"
    found = Simulated("local", ("hello",)).parse(Result(0, text))
    assert (found.new, found.changed, found.removed) == (("hello",), ("openssl",), ("exim4",))
    with pytest.raises(FactError, match="Unable to locate package nosuch"):
        Simulated("local", ("nosuch",)).parse(Result(100, "Reading package lists...\n", "E: Unable to locate package nosuch\n"))


# --- the rulebook ---------------------------------------------------------------------------------------------------------------


def findings(
    rule: Guard, box: Toolbox, offer: Offer, *, free: int = 10**8, effects: Effects | None = None, **params: Any
) -> list[tuple[str, str]]:
    asked = preparing.asked(box.family, ())
    known: list[tuple[Fact[Any], Any]] = [(Tools("local"), box), (Offered("local", asked), offer), (Space("local"), free)]
    if effects:
        names = preparing.lack(None, box, offer, (), rpm=params.get("rpm", False), deb=params.get("deb", False)).install
        known.append((Simulated("local", names), effects))
    return [(one.level.value, one.message) for one in rule.check(PrepareParams(**params), practice.given(*known))]


FINE = trees.toolbox()
BARE = trees.toolbox(without=("mvn",))
MAVEN = trees.offer("maven")


@pytest.mark.parametrize(
    ("rule", "box", "offer", "extra", "level", "says"),
    [
        (guards.manager, trees.toolbox(os="alpine", family=""), trees.offer(manager="none"), {}, "block", "neither apt nor dnf nor yum"),
        (guards.rights, trees.toolbox(without=("mvn",), sudo="no", user="builder"), MAVEN, {}, "block", "builder is not root there"),
        (guards.offered, BARE, trees.offer(), {}, "block", "debian 12 does not offer: mvn."),
        (guards.side_effects, BARE, MAVEN, {"effects": Effects(("maven",), (), ("exim4",))}, "block", "would remove exim4"),
        (guards.side_effects, BARE, MAVEN, {"effects": Effects(("maven",), ("openssl",), ())}, "warn", "changes the version of openssl"),
        (guards.lists, BARE, trees.offer(lists=False), {}, "note", "no package lists yet"),
        (guards.space, FINE, MAVEN, {"free": 1024 * 1024}, "block", "Only 1.0 GiB are free"),
        (guards.sandbox, trees.toolbox(sandbox=False), MAVEN, {}, "warn", "may not make namespaces"),
    ],
)
def test_a_rule_that_fires(rule: Guard, box: Toolbox, offer: Offer, extra: dict[str, Any], level: str, says: str) -> None:
    ((found, sentence),) = findings(rule, box, offer, **extra)
    assert (found, says in sentence) == (level, True), sentence


@pytest.mark.parametrize("rule", [guards.manager, guards.rights, guards.offered, guards.jdk, guards.lists, guards.space, guards.sandbox])
def test_a_rule_that_does_not_fire(rule: Guard) -> None:
    assert findings(rule, FINE, MAVEN) == []


def test_nothing_else_changes_is_silent_when_nothing_else_does() -> None:
    assert findings(guards.side_effects, BARE, MAVEN, effects=Effects(("maven",), (), ())) == []


def test_a_jdk_beside_the_table_is_warned_of() -> None:
    of, at = trees.tree(), trees.commit()
    params = PrepareParams(source=1, ref="4.8")
    known: list[tuple[Fact[Any], Any]] = [
        (Registered("portal", 1), trees.source()), (Resolved("local", 1, trees.source().url, "4.8"), at),
        (Checkout("local", 1, at.commit), of), (Tools("local"), FINE), (Offered("local", preparing.asked("debian", ())), trees.offer()),
    ]  # fmt: skip
    (found,) = guards.jdk.check(params, practice.given(*known))
    assert "4.8 is known to build with JDK 8 or 7, which is not offered here. 17.0.15 is there" in found.message


def test_the_form_fills_in_the_branch_and_asks_for_the_source(source: Source) -> None:
    form = PrepareForm({"target": "local", "source": str(source.pk), "ref": ""})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["ref"] == "4.8"
    form = PrepareForm({"target": "local", "ref": "4.8"})
    assert form.errors["source"] == ["Choose the source that this branch is of."]
