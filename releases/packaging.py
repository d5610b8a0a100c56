"""How packages of a checkout are made and what they must then be called. Pure. Facts on CloudStack, section 3."""

from __future__ import annotations

import re
from dataclasses import dataclass

from releases.versions import Version

RPM = """\
export MAVEN_OPTS="-Dmaven.repo.local=$M2 $OPSPORTAL_MAVEN_OPTS"
rm -rf dist/rpmbuild
touch "$TMPDIR/start-rpm"
cd packaging
exec bash ./package.sh "$@"
"""
"""Nothing of an earlier packaging is left: the older script would take a stale spec, and old packages for new ones."""

DEB_PLAIN = """\
export MAVEN_OPTS="-Dmaven.repo.local=$M2 $OPSPORTAL_MAVEN_OPTS"
rm -f ../*.deb ../*.changes ../*.buildinfo
touch "$TMPDIR/start-deb"
exec dpkg-buildpackage -uc -us -b
"""

DEB_SCRIPT = """\
export MAVEN_OPTS="-Dmaven.repo.local=$M2 $OPSPORTAL_MAVEN_OPTS"
rm -f ../*.deb ../*.changes ../*.buildinfo
touch "$TMPDIR/start-deb"
exec bash packaging/build-deb.sh
"""


@dataclass(frozen=True)
class Wanted:
    """Patterns (for `re.fullmatch`) of version and release, and the same for people."""

    version: str
    release: str
    says: str


def rpm_options(distribution: str, *, noredist: bool, release: int) -> list[str]:
    """Short options only: the long ones are broken in 4.8's script."""
    return ["-d", distribution, *(["-p", "noredist"] if noredist else []), "-r", str(release)]


def rpm_wanted(version: Version, release: int, *, long_options: bool) -> Wanted:
    """Version is what stands before the dash. Release is the number, after SNAPSHOT or a brand, then what the distribution adds."""
    number = ".".join(map(str, version.numbers))
    if not version.suffix:
        middle, says = str(release), f"{number}-{release}"
    elif long_options:
        brand = f"{re.escape(version.brand)}\\." if version.brand else ""
        middle = f"{brand}(SNAPSHOT(\\.{release})?|{release})" if version.snapshot else f"{brand}{release}"
        says = f"{number}-{version.suffix}…"
    else:
        middle, says = f"SNAPSHOT{release}", f"{number}-SNAPSHOT{release}"
    return Wanted(re.escape(number), rf"{middle}(\..*)?", says)


def deb_wanted(version: Version) -> Wanted:
    """build-deb.sh adds ~CODENAME; the older way takes the changelog's number as it is."""
    return Wanted(rf"{re.escape(str(version))}([~+-].*)?", "", str(version))
