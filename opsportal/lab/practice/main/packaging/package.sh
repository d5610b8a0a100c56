#!/bin/bash
# Makes RPM packages of the tree that this script is in.

function usage() {
  cat <<TEXT
Usage: package.sh -d DISTRIBUTION [options]

  -d, --distribution NAME      one of: $(cd "$PACKDIR"; echo */ | tr -d /)
  -p, --pack oss|noredist      with or without what may not be given away (oss)
  -r, --release NUMBER         the number behind the version (1)
  -s, --simulator default|simulator
  -b, --brand NAME             a name of your own in version and release
  -T, --use-timestamp          the time in the release; needs a clean tree
  -t, --templates LIST         system VM templates to pack: kvm,xen,vmware or all
  -h, --help                   this text
TEXT
  exit 0
}

function setversion() {
  "$SRCDIR/tools/build/setnextversion.sh" -v "$1" -b "$(currentbranch)" -s "$SRCDIR" --no-commit
}

function currentbranch() {
  git -C "$SRCDIR" symbolic-ref --quiet --short HEAD || git -C "$SRCDIR" rev-parse HEAD
}

function pomversion() {
  (cd "$SRCDIR"; mvn -B org.apache.maven.plugins:maven-help-plugin:2.1.1:evaluate -Dexpression=project.version | grep '^[0-9]\+\.')
}

# The release: brand, then SNAPSHOT or the time or the number.
function releasename() {
  local name=""
  [ -n "$BRAND" ] && name="$BRAND."
  if [ "$STAMPED" == "yes" ]; then
    echo "$name$INDICATOR${RELEASE:+.$RELEASE}"
  elif [[ "$VERSION" == *-SNAPSHOT ]]; then
    echo "${name}SNAPSHOT${RELEASE:+.$RELEASE}"
  else
    echo "$name${RELEASE:-1}"
  fi
}

function packaging() {
  RPMDIR=$SRCDIR/dist/rpmbuild
  if ! which mvn >/dev/null 2>&1; then
    echo "mvn was not found. Maven builds the packages: install it first."
    exit 2
  fi

  VERSION=$(pomversion)
  if [ "$STAMPED" == "yes" ]; then
    if [ -n "$(git -C "$SRCDIR" status -s)" ]; then
      echo "Error: the tree has changes that are not committed; -T would lose them."
      exit 1
    fi
    INDICATOR=$(date +%s)
    setversion "${VERSION%-SNAPSHOT}${BRAND:+-$BRAND}-$INDICATOR"
  elif [ -n "$BRAND" ]; then
    case "$VERSION" in
      *-SNAPSHOT) setversion "${VERSION%-SNAPSHOT}-$BRAND-SNAPSHOT" ;;
      *) setversion "$VERSION-$BRAND" ;;
    esac
  elif [[ "$VERSION" =~ ^[0-9.]+-([A-Za-z][A-Za-z0-9]*)(-SNAPSHOT)?$ && "${BASH_REMATCH[1]}" != SNAPSHOT ]]; then
    BRAND=${BASH_REMATCH[1]}
  fi
  FULLVERSION=$(pomversion)
  REALVER=${FULLVERSION%%-*}
  DEFS=(--define "_ver $REALVER" --define "_fullver $FULLVERSION" --define "_rel $(releasename)")
  [ -n "$PACK" ] && DEFS+=(--define "_ossnoss $PACK")
  [ -n "$SIMULATOR" ] && DEFS+=(--define "_sim $SIMULATOR")

  echo "Preparing to package Practice Cloud $FULLVERSION"

  mkdir -p "$RPMDIR"/{SPECS,BUILD,RPMS,SRPMS} "$RPMDIR/SOURCES/practice-$FULLVERSION"
  echo ". copying the source"
  (cd "$SRCDIR"; tar -c --exclude .git --exclude dist .) | tar -x -C "$RPMDIR/SOURCES/practice-$FULLVERSION"
  (cd "$RPMDIR/SOURCES"; tar -czf "practice-$FULLVERSION.tgz" "practice-$FULLVERSION")

  echo ". running rpmbuild"
  cp "$PACKDIR/$DISTRIBUTION/cloud.spec" "$RPMDIR/SPECS"
  # Where packages do not come from RPM its database is empty and answers no BuildRequires.
  rpm -q rpm >/dev/null 2>&1 || DEFS+=(--nodeps)
  if ! (cd "$RPMDIR"; rpmbuild --define "_topdir $RPMDIR" "${DEFS[@]}" -bb SPECS/cloud.spec); then
    [ "$STAMPED" == "yes" ] && git -C "$SRCDIR" reset --hard
    echo "RPM Build Failed"
    exit 3
  fi
  [ "$STAMPED" == "yes" ] && git -C "$SRCDIR" reset --hard
  echo "RPM Build Done"
  exit 0
}

PACKDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")"; pwd)
SRCDIR=$(cd "$PACKDIR/.."; pwd)
DISTRIBUTION="" PACK="" RELEASE="" SIMULATOR="" BRAND="" STAMPED="" TEMPLATES=""

while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage ;;
    -d | --distribution) DISTRIBUTION=$2; shift 2 ;;
    -r | --release) RELEASE=$2; shift 2 ;;
    -b | --brand) BRAND=$2; shift 2 ;;
    -t | --templates) TEMPLATES=$2; shift 2 ;;
    -T | --use-timestamp) STAMPED="yes"; shift ;;
    -p | --pack)
      case "$2" in
        oss) PACK="" ;;
        noredist) PACK="NOREDIST" ;;
        *) echo "Error: -p takes oss or noredist."; usage ;;
      esac
      shift 2 ;;
    -s | --simulator)
      case "$2" in
        default) SIMULATOR="" ;;
        simulator) SIMULATOR="SIMULATOR" ;;
        *) echo "Error: -s takes default or simulator."; usage ;;
      esac
      shift 2 ;;
    *) echo "Warning: $1 is no option of this script, going on without it."; shift ;;
  esac
done

if [ -z "$DISTRIBUTION" ]; then
  echo "Error: for which distribution? Give one with -d."
  usage
fi
[ -n "$TEMPLATES" ] && echo "The practice cloud has no system VM templates to pack: $TEMPLATES is left out."
packaging
