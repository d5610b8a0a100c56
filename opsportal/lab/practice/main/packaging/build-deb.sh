#!/bin/bash
# Makes Debian packages of the tree that this script is in.
set -e

function usage() {
  cat <<TEXT
Usage: build-deb.sh [options]

  -b, --brand NAME               a name of your own in the version
  -T, --use-timestamp            the time in the version; needs a clean tree
  -o, --output-directory FOLDER  where the packages go, one folder above the source if not given
  -h, --help                     this text
TEXT
}

BRAND="" STAMPED="" OUTPUT=""
while [ $# -gt 0 ]; do
  case "$1" in
    -b | --brand) BRAND=$2; shift 2 ;;
    -T | --use-timestamp) STAMPED="yes"; shift ;;
    -o | --output-directory) OUTPUT=$2; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) echo "Error: $1 is no option of this script." >&2; usage; exit 1 ;;
  esac
done

for tool in dch lsb_release; do
  if ! which "$tool" >/dev/null 2>&1; then
    echo "Error: $tool was not found. It is in the package devscripts or lsb-release." >&2
    exit 1
  fi
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -z "$OUTPUT" ] || OUTPUT=$(mkdir -p "$OUTPUT"; cd "$OUTPUT"; pwd)

function changelogversion() {
  dpkg-parsechangelog -S Version
}

function setversion() {
  local branch
  branch=$(git symbolic-ref --quiet --short HEAD || git rev-parse HEAD)
  tools/build/setnextversion.sh -v "$1" -b "$branch" -s "$(pwd)" --no-commit
}

VERSION=$(changelogversion)
if [ "$STAMPED" == "yes" ]; then
  if [ -n "$(git status -s)" ]; then
    echo "Error: the tree has changes that are not committed; -T would lose them." >&2
    exit 1
  fi
  setversion "${VERSION%-SNAPSHOT}${BRAND:+-$BRAND}-$(date +%s)"
elif [ -n "$BRAND" ]; then
  case "$VERSION" in
    *-SNAPSHOT) setversion "${VERSION%-SNAPSHOT}-$BRAND-SNAPSHOT" ;;
    *) setversion "$VERSION-$BRAND" ;;
  esac
fi

VERSION=$(changelogversion)
CODENAME=$(lsb_release -sc)
PACKAGED="$VERSION~$CODENAME"
echo "Preparing to package Practice Cloud $PACKAGED"

KEPT=$(mktemp)
cp debian/changelog "$KEPT"
export DEBFULLNAME="Practice Release Manager" DEBEMAIL="release@practice.example"
dch -b -v "$PACKAGED" -D unstable -u low -m "Packages for $CODENAME"
dpkg-checkbuilddeps
dpkg-buildpackage -uc -us -b
cat "$KEPT" > debian/changelog
rm "$KEPT"

[ "$STAMPED" != "yes" ] || git reset --hard
[ -z "$OUTPUT" ] || mv ../practice-*_"$PACKAGED"_*.deb ../practice_"$PACKAGED"_* "$OUTPUT"
echo "Debian Build Done"
