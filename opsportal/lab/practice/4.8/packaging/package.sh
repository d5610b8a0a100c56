#!/bin/bash
# Makes RPM packages of the tree above. To be run in packaging/.

function usage() {
  echo "Usage: ./package.sh -d DISTRIBUTION [-p oss|noredist] [-r RELEASE] [-s default|simulator]"
  echo "Distributions:" $(ls -d */ 2>/dev/null | tr -d /)
}

# distribution, pack flag, release, simulator flag
function packaging() {
  CWD=$(pwd)
  RPMDIR=$CWD/../dist/rpmbuild
  PACK_PROJECT=practice
  DEFPACK=()
  [ -n "$2" ] && DEFPACK+=(--define "_ossnoss $2")
  [ -n "$4" ] && DEFPACK+=(--define "_sim $4")

  if ! which mvn >/dev/null 2>&1 && ! locate bin/mvn >/dev/null 2>&1; then
    echo "mvn was not found. Maven builds the packages: install it first."
    exit 2
  fi

  VERSION=$(cd ../; mvn org.apache.maven.plugins:maven-help-plugin:2.1.1:evaluate -Dexpression=project.version | grep '^[0-9]\+\.')
  if echo "$VERSION" | grep -q SNAPSHOT; then
    REALVER=$(echo "$VERSION" | cut -d '-' -f 1)
    DEFS=(--define "_ver $REALVER" --define "_rel SNAPSHOT$3" --define "_maventag $REALVER-SNAPSHOT")
  else
    DEFS=(--define "_ver $VERSION" --define "_rel ${3:-1}" --define "_maventag $VERSION")
  fi

  echo "Preparing to package Practice Cloud $VERSION"

  mkdir -p "$RPMDIR"/{SPECS,BUILD,RPMS,SRPMS} "$RPMDIR/SOURCES/$PACK_PROJECT-$VERSION"
  echo ". copying the source"
  (cd ../; tar -c --exclude .git --exclude dist .) | (cd "$RPMDIR/SOURCES/$PACK_PROJECT-$VERSION"; tar -x)
  (cd "$RPMDIR/SOURCES"; tar -czf "$PACK_PROJECT-$VERSION.tgz" "$PACK_PROJECT-$VERSION")

  echo ". running rpmbuild"
  cp "$1/cloud.spec" "$RPMDIR/SPECS"
  # Where packages do not come from RPM its database is empty and answers no BuildRequires.
  rpm -q rpm >/dev/null 2>&1 || DEFS+=(--nodeps)
  (cd "$RPMDIR"; rpmbuild --define "_topdir $RPMDIR" "${DEFS[@]}" "${DEFPACK[@]}" -bb SPECS/cloud.spec)
  if [ $? -ne 0 ]; then
    echo "rpmbuild failed"
    exit 3
  fi
  echo "Done"
  exit
}

TARGETDISTRO=""
packageval=""
simulator=""
release=""

read -r -a options <<< "$(getopt -q -o d:p:r:s:h -l "distribution:pack:release:simulator:help" -- "$@")"
set -- "${options[@]//\'/}"

while [ $# -gt 0 ]
do
  case "$1" in
    -d) TARGETDISTRO=$2
        shift 2 ;;
    -p) packageval=$2
        [ "$packageval" == "oss" -o "$packageval" == "noredist" ] || { echo "Error: -p takes oss or noredist."; usage; exit 1; }
        shift 2 ;;
    -r) release=$2
        shift 2 ;;
    -s) simulator=$2
        [ "$simulator" == "default" -o "$simulator" == "simulator" ] || { echo "Error: -s takes default or simulator."; usage; exit 1; }
        shift 2 ;;
    -h) usage
        exit 0 ;;
    *)  shift ;;
  esac
done

[ "$packageval" == "noredist" ] && packageval="NOREDIST" || packageval=""
[ "$simulator" == "simulator" ] && simulator="SIMULATOR" || simulator=""
packaging "$TARGETDISTRO" "$packageval" "$release" "$simulator"
