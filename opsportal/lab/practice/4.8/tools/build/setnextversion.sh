#!/bin/bash
# Gives the whole tree a new version and commits it.

version='TESTBUILD'
sourcedir=~/practice/
branch='master'

usage() {
  printf "Usage: %s: -v version [-b branch] [-s source folder]\n" "$(basename "$0")"
  printf "  -v  the version to set (needed)\n"
  printf "  -b  the branch to set it on, %s if not given\n" "$branch"
  printf "  -s  where the source is, %s if not given\n" "$sourcedir"
}

while getopts v:b:s:h opt
do
  case "$opt" in
    v) version="$OPTARG" ;;
    b) branch="$OPTARG" ;;
    s) sourcedir="$OPTARG" ;;
    h) usage
       exit 0 ;;
    /?) usage
       exit 2 ;;
  esac
done
shift $((OPTIND - 1))

if [ "$version" == 'TESTBUILD' ]; then
  echo "Which version? Give one with -v."
  usage
  exit 1
fi

echo "version: $version, branch: $branch, source: $sourcedir"

cd $sourcedir

echo "taking branch $branch"
git checkout $branch

echo "looking for the version that the tree has now"
currentversion=$(mvn org.apache.maven.plugins:maven-help-plugin:2.1.1:evaluate -Dexpression=project.version | grep -v '\[')
echo "found $currentversion setting version numbers"

mvn versions:set -DnewVersion=$version -P vmware,developer,systemvm,simulator,baremetal,ucs -Dnoredist

# Maven does not reach these.
perl -pi -e "s/$currentversion/$version/" deps/VendorJars/pom.xml
perl -pi -e "s/$currentversion/$version/" tools/apidoc/pom.xml
perl -pi -e "s/$currentversion/$version/" debian/changelog
perl -pi -e "s/$currentversion/$version/" tools/marvin/setup.py
perl -pi -e "s/$currentversion/$version/" services/console/pom.xm
perl -pi -e "s/$currentversion/$version/" tools/checkstyle/pom.xml

git clean -f

echo "committing the new version"
git commit -a -s -m "Updating pom.xml version numbers for release $version"
echo "committed as $(git rev-parse HEAD)"
