#!/bin/bash
# Gives the whole tree a new version and commits it.
set -e

version='TESTBUILD'
sourcedir="~/practice/"
branch='master'
committosource="yes"

usage() {
  cat <<TEXT
Usage: $(basename "$0") -v VERSION [-b BRANCH] [-s FOLDER] [-n]

  -v, --version VERSION    the version to set (needed)
  -b, --branch BRANCH      the branch to set it on, $branch if not given
  -s, --sourcedir FOLDER   where the source is, $sourcedir if not given
  -n, --no-commit          leave the change in the work tree
  -h, --help               this text
TEXT
}

declare -A given
once() {
  if [ -n "${given[$1]}" ]; then
    echo "Error: $1 was given twice." >&2
    exit 1
  fi
  given[$1]=yes
}

while [ $# -gt 0 ]; do
  case "$1" in
    -v | --version) once --version; version=$2; shift 2 ;;
    -b | --branch) once --branch; branch=$2; shift 2 ;;
    -s | --sourcedir) once --sourcedir; sourcedir=$2; shift 2 ;;
    -n | --no-commit) once --no-commit; committosource="no"; shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "Error: $1 is no option of this script." >&2; usage; exit 1 ;;
  esac
done

if [ "$version" == 'TESTBUILD' ]; then
  echo "Error: which version? Give one with -v." >&2
  usage
  exit 1
fi

echo "version: $version, branch: $branch, source: $sourcedir, commit: $committosource"

cd "$sourcedir"

echo "taking branch $branch"
git checkout "$branch"

echo "looking for the version that the tree has now"
currentversion=$(mvn -B org.apache.maven.plugins:maven-help-plugin:2.1.1:evaluate -Dexpression=project.version | grep -v '\[')
echo "found $currentversion setting version numbers"

mvn -B versions:set -DnewVersion="$version" versions:commit -P vmware,developer,systemvm,simulator -Dnoredist

# Maven does not reach these.
for file in debian/changelog tools/apidoc/pom.xml tools/checkstyle/pom.xml tools/marvin/setup.py \
            tools/docker/Dockerfile tools/docker/Dockerfile.marvin; do
  perl -pi -e "s/$currentversion/$version/" "$file"
done

git clean -f

if [ "$committosource" == "yes" ]; then
  echo "committing the new version"
  git commit -a -s -m "Updating pom.xml version numbers for release $version"
  echo "committed as $(git rev-parse HEAD)"
fi
