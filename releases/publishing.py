"""What a repository's channels hold on disk, and the steps that change one. Pure, but for `current`.

    STATE_DIR/repositories/SLUG/CHANNEL -> generations/CHANNEL-TOKEN/
        manifest.json      the builds and their files: the record of what the channel holds
        key.asc            the public key
        deb/               packages, Packages, Release, InRelease, Release.gpg: a flat repository for apt
        rpm/               packages, repodata/repomd.xml, repomd.xml.asc: for yum, dnf and zypper

A generation never changes once it is made; a channel moves to another one by the rename of one link. So a server sees the channel as it
was or as it is, never a mixture, and one that is in the middle of a download goes on: the last generations stay.
Packages stay byte for byte what was built: the signature is on the index, which has the SHA-256 of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from pydantic import TypeAdapter

from opsportal.operations.steps import (
    Condition,
    Effect,
    NothingToUndo,
    PutFile,
    PutSecret,
    RunCommand,
    Step,
    Undo,
    WayBack,
)
from opsportal.transport.command import Command
from releases.facts.delivery import PackageFile

CHANNELS = ("testing", "stable")
KINDS = ("deb", "rpm")
KEEP = 5
"""Generations of a channel that stay on disk, the one of now among them."""

KEY = "repository-key"


@dataclass(frozen=True)
class Published:
    """A build in a channel. `build` is its number."""

    build: int
    source: str
    version: str
    files: tuple[PackageFile, ...]


@dataclass(frozen=True)
class Channel:
    """`generation` is the name of its folder, "" for a channel that was never published to."""

    name: str
    generation: str = ""
    builds: tuple[Published, ...] = ()

    def build(self, number: int) -> Published | None:
        return next((one for one in self.builds if one.build == number), None)

    def files(self) -> dict[str, PackageFile]:
        return {file.file: file for one in self.builds for file in one.files}


@dataclass(frozen=True)
class Place:
    """A repository as plans need it. `public` is the armoured public key."""

    pk: int
    name: str
    slug: str
    public: str
    fingerprint: str
    expired: bool = False

    @property
    def root(self) -> str:
        return str(root(self.slug))


@dataclass(frozen=True)
class Wanted:
    """The channel as it shall be. `origins` are folders of this machine that have the files, by SHA-256."""

    place: Place
    now: Channel
    builds: tuple[Published, ...]
    token: str
    origins: dict[str, str] = field(default_factory=dict)

    @property
    def generation(self) -> str:
        return f"{self.now.name}-{self.token}"

    @property
    def folder(self) -> str:
        return f"{self.place.root}/generations/{self.generation}"


def root(slug: str) -> Path:
    return Path(settings.STATE_DIR) / "repositories" / slug


PUBLISHED: TypeAdapter[tuple[Published, ...]] = TypeAdapter(tuple[Published, ...])


def manifest(builds: Iterable[Published]) -> str:
    return json.dumps({"builds": [asdict(one) for one in builds]}, indent=1, sort_keys=True) + "\n"


def of_manifest(text: str) -> tuple[Published, ...]:
    """Raises ValueError for a text of another form."""
    found: Any = json.loads(text)
    return PUBLISHED.validate_python(found["builds"]) if isinstance(found, dict) and "builds" in found else ()


def current(slug: str, name: str) -> Channel:
    """As it is on disk. Raises OSError or ValueError for one that somebody damaged."""
    link = root(slug) / name
    if not link.is_symlink():
        return Channel(name)
    folder = link.resolve(strict=True)
    return Channel(name, folder.name, of_manifest((folder / "manifest.json").read_text()))


# Steps.

STAGE = """\
folder=$1; shift
rm -rf -- "$folder"
mkdir -p -- "$folder/deb" "$folder/rpm" || exit 1
while [ "$#" -gt 0 ]; do
  sum=$1 kind=$2 file=$3 from=$4; shift 4
  [ -f "$from/$file" ] || { echo "$from/$file is not there any more." >&2; exit 1; }
  ln -- "$from/$file" "$folder/$kind/$file" 2>/dev/null || cp -p -- "$from/$file" "$folder/$kind/$file" || exit 1
  echo "$sum  $folder/$kind/$file" | sha256sum -c --quiet || { echo "$file is not the file that was built." >&2; exit 1; }
  echo "$kind/$file"
done
"""

INDEX = """\
cd "$1" || exit 1
export LC_ALL=C.UTF-8
createrepo_c --quiet --checksum sha256 rpm || exit 1
cd deb || exit 1
apt-ftparchive packages . >Packages && gzip -9 -n -k -f Packages || exit 1
rm -f Release InRelease Release.gpg
apt-ftparchive -o "APT::FTPArchive::Release::Origin=$2" -o "APT::FTPArchive::Release::Label=$2" \\
  -o "APT::FTPArchive::Release::Suite=$3" -o "APT::FTPArchive::Release::Codename=$3" release . >../Release.new || exit 1
mv ../Release.new Release
"""

SIGN = """\
folder=$1 key=$2
umask 077
home=$(mktemp -d) || exit 1
trap 'gpgconf --homedir "$home" --kill all; rm -rf "$home"' EXIT
trap 'exit 130' HUP INT TERM
sign() { gpg --homedir "$home" --batch --no-tty --yes --pinentry-mode loopback --passphrase '' --digest-algo SHA256 "$@"; }
base64 -d <"$key" | sign --quiet --import || exit 1
cd "$folder" || exit 1
sign --clear-sign --output deb/InRelease deb/Release || exit 1
sign --armor --detach-sign --output deb/Release.gpg deb/Release || exit 1
sign --armor --detach-sign --output rpm/repodata/repomd.xml.asc rpm/repodata/repomd.xml || exit 1
sign --armor --export >key.asc || exit 1
chmod -R u=rwX,go=rX .
"""

VERIFY = """\
folder=$1 public=$2; shift 2
home=$(mktemp -d) || exit 1
trap 'rm -rf "$home"' EXIT
printf '%s\\n' "$public" | gpg --homedir "$home" --batch --dearmor >"$home/ring.gpg" 2>/dev/null || exit 1
cd "$folder" || exit 1
check() { gpgv --keyring "$home/ring.gpg" "$@" 2>"$home/said" || { tail -n 1 "$home/said" >&2; exit 1; }; }
check --output "$home/Release" deb/InRelease
check deb/Release.gpg deb/Release
check rpm/repodata/repomd.xml.asc rpm/repodata/repomd.xml
cmp -s "$home/Release" deb/Release || { echo "InRelease and Release differ." >&2; exit 1; }
sum=$(sha256sum deb/Packages | cut -d' ' -f1)
grep -q " $sum .* Packages\\$" deb/Release || { echo "Packages is not what Release has signed." >&2; exit 1; }
while [ "$#" -gt 0 ]; do
  echo "$1  $2/$3" | sha256sum -c --quiet || { echo "$3 is not the file that was built." >&2; exit 1; }
  case $2 in
    deb) grep -qx "SHA256: $1" deb/Packages || { echo "Packages does not have $3." >&2; exit 1; } ;;
    rpm) gzip -dc rpm/repodata/*-primary.xml.gz | grep -q "$1" || { echo "The index does not have $3." >&2; exit 1; } ;;
  esac
  shift 3
done
"""
"""`$1` is the folder, `$2` the public key, then SHA-256, kind and name of each file."""

SWITCH = """\
root=$1 name=$2 generation=$3
cd "$root" || exit 1
[ -n "$generation" ] || { rm -f -- "$name"; exit 0; }
[ -e "generations/$generation/manifest.json" ] || { echo "The generation $generation is not there any more." >&2; exit 1; }
ln -sfn -- "generations/$generation" ".$name.new" && mv -T -- ".$name.new" "$name"
"""

LEADS = '[ "$(readlink -- "$1/$2" 2>/dev/null)" = "${3:+generations/$3}" ]\n'

TIDY = """\
cd "$1/generations" || exit 1
now=$(basename -- "$(readlink -- "../$2")")
ls -1t | grep "^$2-" | grep -vxF -- "$now" | tail -n "+$3" | while read -r old; do echo "Removing $old."; rm -rf -- "$old"; done
"""


def steps(wanted: Wanted) -> Iterator[Step]:
    """From the channel of now to the wanted one."""
    yield _stage(wanted)
    yield _manifest(wanted)
    yield _index(wanted)
    yield _bring_key(wanted)
    yield _sign(wanted)
    yield _forget_key(wanted)
    yield _switch(wanted)
    yield _tidy(wanted)


def _step(key: str, title: str, why: str, action: RunCommand | PutFile | PutSecret, **more: Any) -> Step:
    given: dict[str, Any] = {
        "effect": Effect.IDEMPOTENT,
        "interruptible": False,
        "expect": (),
        "probe": (),
        "undo": NothingToUndo(),
        **more,
    }
    return Step(key=key, target="local", title=title, why=why, action=action, **given)


def _files(wanted: Wanted) -> list[PackageFile]:
    return [file for one in wanted.builds for file in one.files]


def _stage(wanted: Wanted) -> Step:
    files = _files(wanted)
    words = [word for file in files for word in (file.sha256, file.kind, file.file, wanted.origins[file.sha256])]
    gist = f"mkdir {wanted.folder}\n" + "\n".join(f"link {file.kind}/{file.file}" for file in files)
    return _step(
        "stage", f"Put {len(files)} packages into a new generation of {wanted.now.name}",
        "Beside what is served now, which nobody notices. Each file is compared with the SHA-256 of its build.",
        RunCommand(Command(script=STAGE, argv=(wanted.folder, *words), gist=gist), timeout=1800),
        undo=RunCommand(Command(("rm", "-rf", "--", wanted.folder)), timeout=120),
    )  # fmt: skip


def _manifest(wanted: Wanted) -> Step:
    return _step(
        "manifest", "Write down what the channel holds",
        "The record lies beside the packages, so that it cannot say anything else.",
        PutFile(f"{wanted.folder}/manifest.json", manifest(wanted.builds), before="", existed=False),
    )  # fmt: skip


def _index(wanted: Wanted) -> Step:
    command = Command(
        script=INDEX, argv=(wanted.folder, wanted.place.name, wanted.now.name),
        gist=f"createrepo_c {wanted.folder}/rpm\napt-ftparchive packages, release {wanted.folder}/deb",
    )  # fmt: skip
    there = Command(("test", "-s", f"{wanted.folder}/deb/Release", "-a", "-s", f"{wanted.folder}/rpm/repodata/repomd.xml"))
    return _step(
        "index", "Index the packages for apt and for yum", "Package managers read the index, and believe the sums in it.",
        RunCommand(command, timeout=1800), probe=(Condition("Both indexes are there", there),),
    )  # fmt: skip


def _key_folder(wanted: Wanted) -> str:
    return f"{settings.STATE_DIR}/signing/{wanted.token}"


def _bring_key(wanted: Wanted) -> Step:
    folder = _key_folder(wanted)
    remove = RunCommand(Command(("rm", "-rf", "--", folder)), timeout=60)
    gone = Condition("The key's file is gone", Command(("test", "!", "-e", folder)))
    back = WayBack(KEY, f"repository:{wanted.place.pk}", "The private key of a repository lies in a file", remove, (gone,))
    return _step(
        "key", "Put the private key where gpg reads it",
        "Only for the step that signs. No project's code runs meanwhile, and the file is removed at once.",
        PutSecret(f"{folder}/key.asc", f"repository:{wanted.place.pk}", f"the private key {wanted.place.fingerprint[-16:]}"),
        probe=(Condition("The file is there", Command(("test", "-s", f"{folder}/key.asc"))),), undo=remove, opens=back,
    )  # fmt: skip


def _sign(wanted: Wanted) -> Step:
    gist = "gpg --clear-sign deb/Release → InRelease\ngpg --detach-sign deb/Release, rpm/repodata/repomd.xml"
    command = Command(script=SIGN, argv=(wanted.folder, f"{_key_folder(wanted)}/key.asc"), gist=gist)
    return _step(
        "sign", f"Sign both indexes with {wanted.place.fingerprint[-16:]}",
        "A server that has the public key installs nothing that was changed on the way.",
        RunCommand(command, timeout=300), probe=(verified(wanted, wanted.folder),),
    )  # fmt: skip


def verified(wanted: Wanted, folder: str) -> Condition:
    words = tuple(word for file in _files(wanted) for word in (file.sha256, file.kind, file.file))
    command = Command(script=VERIFY, argv=(folder, wanted.place.public, *words), gist=f"gpgv, sha256sum: everything in {folder}")
    return Condition("The signatures are good, and every package is what was built", command, timeout=600)


def _forget_key(wanted: Wanted) -> Step:
    folder = _key_folder(wanted)
    gone = Condition("The key's file is gone", Command(("test", "!", "-e", folder)))
    return _step(
        "forget", "Remove the private key's file", "It is not needed any more.",
        RunCommand(Command(("rm", "-rf", "--", folder)), timeout=60), probe=(gone,), settles=KEY,
    )  # fmt: skip


def leads(wanted: Wanted, generation: str) -> Condition:
    says = f"{wanted.now.name} leads to {generation or 'nothing yet'}"
    return Condition(says, Command(script=LEADS, argv=(wanted.place.root, wanted.now.name, generation), gist=f"readlink {wanted.now.name}"))


def _move(wanted: Wanted, generation: str) -> RunCommand:
    gist = f"mv -T: {wanted.now.name} → {generation or 'nothing'}"
    return RunCommand(Command(script=SWITCH, argv=(wanted.place.root, wanted.now.name, generation), gist=gist), timeout=60)


def _switch(wanted: Wanted) -> Step:
    undo: Undo = _move(wanted, wanted.now.generation)
    return _step(
        "switch", f"Move {wanted.now.name} to the new generation",
        "One rename: from this moment on servers see the new packages, and none sees half of them.",
        _move(wanted, wanted.generation), expect=(leads(wanted, wanted.now.generation),),
        probe=(leads(wanted, wanted.generation), verified(wanted, f"{wanted.place.root}/{wanted.now.name}")), undo=undo,
    )  # fmt: skip


def _tidy(wanted: Wanted) -> Step:
    command = Command(script=TIDY, argv=(wanted.place.root, wanted.now.name, str(KEEP)), gist=f"rm: all but {KEEP} generations")
    return _step(
        "tidy", f"Keep the last {KEEP} generations", "A server in the middle of a download, and an undo, still find theirs.",
        RunCommand(command, timeout=600),
    )  # fmt: skip
