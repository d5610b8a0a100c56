"""Every command that is run on a management server, in one place. POSIX sh; run as root, or through sudo.

The password of the database never leaves the server and stands in no argument: it goes from db.properties into a file for root alone,
which is gone when the command ends.
"""

from __future__ import annotations

from opsportal.transport.command import Command

CONF = "/etc/cloudstack/management"
OPTION_FILE = f"{CONF}/opsportal.cnf"
LOG = "/var/log/cloudstack/management/management-server.log"
AGENT_LOG = "/var/log/cloudstack/agent/agent.log"
WAR_PLACES = (
    "/usr/share/cloudstack-management/webapps/client",
    "/usr/share/cloudstack-management/webapps/client.war",
    "/usr/share/cloudstack-management/lib/client.war",
    "/var/lib/tomcat/webapps/client",
)
"""Where classic installations have the web application; a folder is one that was unpacked."""

SHELL = """\
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
say() { echo "$*" >&2; }
service_is() { if [ -d /run/systemd/system ]; then systemctl is-active --quiet "$1"; else service "$1" status >/dev/null 2>&1; fi; }
service_do() { if [ -d /run/systemd/system ]; then systemctl "$1" "$2"; else service "$2" "$1"; fi; }
"""

MANAGEMENT, AGENT = ("cloudstack-management", "cosmic-management"), ("cloudstack-agent", "cosmic-agent")
"""The names of the service that a host may have."""

LOOK = (
    SHELL
    + """\
for unit in $4; do
  for place in /lib/systemd/system /usr/lib/systemd/system /etc/systemd/system /etc/init.d; do
    [ ! -e "$place/$unit.service" ] && [ ! -x "$place/$unit" ] || { echo "unit $unit"; break; }
  done
done
if command -v dpkg-query >/dev/null && [ -e /var/lib/dpkg/status ]; then
  echo "family deb"
  dpkg-query -W -f '${db:Status-Abbrev} package ${Package} ${Version} ${Architecture}\\n' 'cloudstack*' 'cosmic*' 'practice*' 2>/dev/null |
    sed -n 's/^ii *//p'
elif command -v rpm >/dev/null; then
  echo "family rpm"
  rpm -qa --qf 'package %{NAME} %{VERSION}-%{RELEASE} %{ARCH}\\n' 'cloudstack*' 'cosmic*' 'practice*'
fi
echo "java $(java -version 2>&1 | head -n 1)"
[ ! -e "$2" ] || echo "log $2"
for place in $3; do [ ! -e "$place" ] || echo "war $place"; done
echo "name $(hostname)"
echo "addresses $(hostname -I 2>/dev/null)"
if [ -e "$1/db.properties" ]; then
  for key in cloud.host cloud.port cloud.name cloud.username usage.name; do
    echo "$key $(sed -n "s/^[[:space:]]*db[.]$key[[:space:]]*=[[:space:]]*//p" "$1/db.properties" | tail -n 1 | tr -d '[:space:]')"
  done
  if [ -r "$1/opsportal.cnf" ]; then echo "password file"
  elif grep -q '^[[:space:]]*db.cloud.password[[:space:]]*=[[:space:]]*ENC(' "$1/db.properties"; then echo "password encrypted"
  else echo "password plain"; fi
fi
echo end
"""
)
"""`$1` is the folder of db.properties, `$2` the log, `$3` the places of a war, `$4` the names that the service may have."""

MOMENT = (
    SHELL
    + """\
unit=$1
if service_is "$unit"; then
  echo "runs yes"
  [ ! -d /run/systemd/system ] || echo "since $(systemctl show -p ActiveEnterTimestamp "$unit" | cut -d= -f2-)"
else
  echo "runs no"
fi
[ ! -e "$2" ] || echo "said $(tail -c 20000000 "$2" | grep 'Code Version = ' | tail -n 1 | tail -c 300)"
place=$3
while [ ! -d "$place" ]; do place=$(dirname "$place"); done
echo "free $(df -P -k "$place" | awk 'NR == 2 { print $4 }')"
echo end
"""
)
"""`$1` is the service, `$2` the log, `$3` the folder for backups, of which the nearest one that is there counts."""

VERSIONS = "SELECT version, step FROM version ORDER BY id"

MYSQL = (
    SHELL
    + f"versions='{VERSIONS}'\n"
    + """\
conf=$1; shift
umask 077
place=$(mktemp -d) || exit 1
trap 'rm -rf "$place"' EXIT
trap 'exit 130' HUP INT TERM
property() { sed -n "s/^[[:space:]]*db\\.cloud\\.$1[[:space:]]*=[[:space:]]*//p" "$conf/db.properties" | tr -d '\\r' | tail -n 1; }
if [ -r "$conf/opsportal.cnf" ]; then
  cat "$conf/opsportal.cnf" >"$place/cnf"
else
  password=$(property password)
  case $password in ENC\\(*)
    say "The password in $conf/db.properties is encrypted. Write $conf/opsportal.cnf for root alone, with [client] host, user and password."
    exit 1 ;;
  esac
  quoted=$(printf '%s' "$password" | sed -e 's/\\\\/\\\\\\\\/g' -e 's/"/\\\\"/g')
  printf '[client]\\nhost=%s\\nport=%s\\nuser=%s\\npassword="%s"\\n' \\
    "$(property host)" "$(property port)" "$(property username)" "$quoted" >"$place/cnf"
fi
sql() { mysql --defaults-extra-file="$place/cnf" -N -B "$@"; }
dump() { mysqldump --defaults-extra-file="$place/cnf" --single-transaction --quick --routines --triggers "$@"; }
"""
)
"""`$1` is the folder of db.properties. `sql` and `dump` then log in as the management server does."""

TEMPLATES = "SELECT DISTINCT name FROM vm_template WHERE type = 'SYSTEM' AND removed IS NULL"
SERVERS = (
    "SELECT name, service_ip, state, version, TIMESTAMPDIFF(SECOND, last_update, UTC_TIMESTAMP()) "
    "FROM mshost WHERE removed IS NULL ORDER BY id"
)
SIZE = "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables WHERE table_schema = '{}'"
"""In bytes. The names of databases are letters, digits and underscores: see `facts.servers.NAME`."""

ASK = MYSQL + 'name=$1; shift\nfor text; do echo "== "; sql "$name" -e "$text" || exit 1; done\necho "== end"\n'

BACKUP = (
    MYSQL
    + """\
folder=$1; shift
mkdir -p "$folder" || exit 1
for name; do
  file=$folder/$name.sql.gz
  echo "Dumping $name into $file."
  { dump "$name"; echo $? >"$place/code"; } | gzip >"$file.part"
  if [ $? != 0 ] || [ "$(cat "$place/code" 2>/dev/null)" != 0 ]; then
    rm -f "$file.part"
    say "The dump of $name failed, and what there was of it was removed."
    say "Free in $folder: $(df -P -h "$folder" | awk 'NR == 2 { print $4 }')."
    exit 1
  fi
  mv "$file.part" "$file" || exit 1
  echo "$(stat -c %s "$file") bytes."
done
sql "$1" -e "$versions" >"$folder/version.txt" && cp -p "$conf/db.properties" "$folder/" || exit 1
cd "$folder" && sha256sum *.sql.gz >SHA256SUMS && sync
"""
)

CHECK_BACKUP = (
    SHELL
    + """\
cd "$1" || exit 1
version=$2; shift 2
sha256sum -c --quiet SHA256SUMS || { say "A dump is not what was written."; exit 1; }
for name; do
  gzip -t "$name.sql.gz" || exit 1
  gzip -dc "$name.sql.gz" | tail -n 1 | grep -q '^-- Dump completed' || { say "The dump of $name has no end: it was cut off."; exit 1; }
done
gzip -dc "$1.sql.gz" | LC_ALL=C sed -n '/^INSERT INTO `version`/,/;$/p' | grep -aqF "'$version'" || {
  say "The dump of $1 has no row of version $version."
  exit 1
}
"""
)
"""`$1` is the folder, `$2` the version of the database, then the databases, the one with the table `version` first.

Newer MariaDBs write each row of an INSERT on a line of its own.
"""

TRIAL = (
    MYSQL  # noqa: S608 # the names were checked when they were read
    + """\
folder=$1 scratch=$2 name=$3
drop() { sql -e "DROP DATABASE IF EXISTS \\`$scratch\\`"; }
trap 'drop; rm -rf "$place"' EXIT
sql -e "CREATE DATABASE \\`$scratch\\`" || {
  say "This login may not make databases: write another one into $conf/opsportal.cnf, or upgrade without trying the backup."
  exit 1
}
gzip -dc "$folder/$name.sql.gz" | sql "$scratch" || { say "The dump of $name could not be read back."; exit 1; }
count() { sql -e "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '$1'"; }
was=$(count "$name") now=$(count "$scratch")
[ -n "$was" ] && [ "$was" = "$now" ] || { say "$name has $was tables and views, its copy $now."; exit 1; }
sql "$scratch" -e "$versions" >"$place/versions" && cmp -s "$place/versions" "$folder/version.txt" || {
  say "The version table of the copy is another one."
  exit 1
}
echo "$now tables came back, and the version table with them."
"""
)

RESTORE = (
    MYSQL  # noqa: S608 # the names were checked when they were read
    + """\
folder=$1; shift
cd "$folder" && sha256sum -c --quiet SHA256SUMS || { say "The backup in $folder is not what was written. Nothing was changed."; exit 1; }
if sql "$1" -e "$versions" >"$place/versions" 2>/dev/null && cmp -s "$place/versions" version.txt; then
  echo "The version table is as it was: the database was not upgraded. It stays as it is, with all that happened since."
  exit 0
fi
for name; do
  kind=$(sql -e "SELECT CONCAT('CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name)
    FROM information_schema.schemata WHERE schema_name = '$name'")
  echo "Dropping $name and loading it from $folder/$name.sql.gz."
  sql -e "DROP DATABASE IF EXISTS \\`$name\\`; CREATE DATABASE \\`$name\\` $kind" && gzip -dc "$name.sql.gz" | sql "$name" || exit 1
done
sql "$1" -e "$versions" | cmp -s - version.txt || { say "The version table is not as it was in the backup."; exit 1; }
"""
)

FORMER = (
    SHELL
    + """\
for one; do
  name=${one%%=*} rest=${one#*=}; version=${rest%=*} arch=${rest##*=}; where=nowhere
  if command -v dpkg-query >/dev/null && [ -e /var/lib/dpkg/status ]; then
    if [ -e "/var/cache/apt/archives/${name}_$(echo "$version" | sed 's/:/%3a/g')_$arch.deb" ]; then where=cache
    elif apt-get --print-uris -q download "$name=$version" >/dev/null 2>&1; then where=repository
    elif command -v dpkg-repack >/dev/null; then where=repack; fi
  elif [ -n "$(find /var/cache/yum /var/cache/dnf -name "$name-$version.$arch.rpm" 2>/dev/null | head -n 1)" ]; then where=cache
  elif command -v yumdownloader >/dev/null && [ -n "$(yumdownloader -q --urls "$name-$version.$arch" 2>/dev/null)" ]; then where=repository
  fi
  echo "$name $where"
done
echo end
"""
)
"""Where each package that is installed could be had again; arguments are NAME=VERSION=ARCHITECTURE."""

KEEP = (
    SHELL
    + """\
cd "$1" || exit 1
shift
for one; do
  where=${one%%=*} one=${one#*=}; name=${one%%=*} rest=${one#*=}; version=${rest%=*} arch=${rest##*=}
  echo "Keeping $name $version from its $where."
  case $where in
    cache) cp -p "/var/cache/apt/archives/${name}_$(echo "$version" | sed 's/:/%3a/g')_$arch.deb" . 2>/dev/null ||
      cp -p "$(find /var/cache/yum /var/cache/dnf -name "$name-$version.$arch.rpm" | head -n 1)" . ;;
    repository)
      if command -v apt-get >/dev/null; then apt-get -q download "$name=$version"; else yumdownloader -q "$name-$version.$arch"; fi ;;
    repack) dpkg-repack "$name" ;;
  esac || { say "$name $version could not be kept."; exit 1; }
done
ls -l
"""
)
"""`$1` is the folder, then WHERE=NAME=VERSION=ARCHITECTURE."""

ROOM = '[ -d "$1" ] && [ -O "$1" ] || mkdir -m 700 "$1" || exit 1\nmkdir -p "$1/new" "$1/old"\n'

INSTALL = (
    SHELL
    + """\
folder=$1 unit=$2
cd "$folder" || exit 1
! service_is "$unit" || service_do stop "$unit" || exit 1
shift 2
if [ "$1" = deb ]; then
  shift
  export DEBIAN_FRONTEND=noninteractive
  if [ ! -e /usr/sbin/policy-rc.d ]; then # a package of Debian starts its service by itself: several servers would upgrade at once
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
  fi
  [ -z "$(dpkg --audit)" ] || dpkg --configure -a
  shift
  [ "$#" -gt 0 ] || set -- ./*.deb
  apt-get install -q -y --no-install-recommends --allow-downgrades -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold -- "$@"
else
  shift
  verb=$1
  shift
  [ "$#" -gt 0 ] || set -- ./*.rpm
  manager=$(command -v dnf || command -v yum) && "$manager" -y "$verb" "$@"
fi
"""
)
"""`$1` is the folder, `$2` the service, `$3` "deb" or "rpm", `$4` "install" or "downgrade", then files of the folder
("./x.deb") or packages of a repository ("x=1.2", "x-1.2-1"); without any, all packages of the folder."""

FETCH = (
    SHELL
    + """\
family=$1
shift
if [ "$family" = deb ]; then
  apt-get install -q -y --no-install-recommends --allow-downgrades --download-only -o DPkg::Lock::Timeout=120 -- "$@"
else
  manager=$(command -v dnf || command -v yum) && "$manager" -y install --downloadonly "$@"
fi
"""
)
"""`$1` is "deb" or "rpm", then packages of a repository as for `INSTALL`. They and what they need lie in the cache then."""

INSTALLED = (
    SHELL
    + """\
for one; do
  name=${one%%=*}
  if command -v dpkg-query >/dev/null && [ -e /var/lib/dpkg/status ]; then
    found=$(dpkg-query -W -f '${db:Status-Abbrev}${Version}' "$name" 2>/dev/null | sed -n 's/^ii *//p')
  else
    found=$(rpm -q --qf '%{VERSION}-%{RELEASE}' "$name")
  fi
  [ "$name=$found" = "$one" ] || { say "$name is ${found:-not installed} instead of ${one#*=}."; exit 1; }
done
"""
)
"""Arguments are NAME=VERSION."""

DROP = (
    SHELL
    + """\
file=$1 place=$2 before=$3 unit=$4
! service_is "$unit" || service_do stop "$unit" || exit 1
[ -e "$place" ] || { say "$place is not there any more."; exit 1; }
if [ ! -e "$before" ]; then mkdir -p "$(dirname "$before")" && cp -a "$place" "$before.part" && mv "$before.part" "$before" || exit 1; fi
if [ -d "$place" ]; then
  rm -rf "$place.new" && mkdir "$place.new" && cd "$place.new" || exit 1
  if command -v unzip >/dev/null; then unzip -q "$file"
  elif command -v jar >/dev/null; then jar xf "$file"
  else python3 -m zipfile -e "$file" .; fi || exit 1
  chown -R --reference="$before" . && cd / && rm -rf "$place" && mv "$place.new" "$place"
else
  cp "$file" "$place.new" && chown --reference="$place" "$place.new" && chmod --reference="$place" "$place.new" && mv "$place.new" "$place"
fi
"""
)
"""`$1` is the war or jar, `$2` what it replaces, `$3` where that is kept, `$4` the service."""

DROP_BACK = (
    SHELL
    + """\
before=$1 place=$2 unit=$3
! service_is "$unit" || service_do stop "$unit" || exit 1
[ -e "$before" ] || { say "$before is not there any more."; exit 1; }
rm -rf "$place.new" && cp -a "$before" "$place.new" && rm -rf "$place" && mv "$place.new" "$place"
"""
)

STOP = SHELL + 'service_do stop "$1" && ! service_is "$1"\n'
RUNS = SHELL + 'service_is "$1"\n'
STANDS = SHELL + 'if service_is "$1"; then say "$1 runs."; exit 1; fi\n'

START = (
    SHELL
    + """\
unit=$1 package=$2 version=$3
if [ -n "$package" ]; then
  found=$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null || rpm -q --qf '%{VERSION}-%{RELEASE}' "$package")
  [ "$found" = "$version" ] || {
    say "$package is $found by now and was $version: to start it here could upgrade the database. Take the upgrade up again, or undo it."
    exit 1
  }
fi
service_do start "$unit"
"""
)
"""Brings a stopped server back, but only with the packages it had."""

PLAIN = (
    "is higher than management software version|There is no upgrade path from|The end upgrade version is actually at"
    "|Unable to acquire lock to check for database integrity|contains records for which upgrade wasn.t completed"
    "|management server is running in a clustered environment"
)
LOUD, OURS = "(ERROR|FATAL|Exception)", "[Uu]pgrad|[Dd]atabase|SQL"
"""What an upgrade that went wrong says: PLAIN, or LOUD and OURS in one line, as other errors of a server that starts are none of it.
Regular expressions of awk and of Python at once.
"""

JUDGE = (
    r"""
function same(one, other) { return norm(one) == norm(other) }
function norm(text,  n, part) {
  sub(/-.*/, "", text); sub(/[^0-9.].*/, "", text); n = split(text, part, ".")
  return part[1] + 0 "." part[2] + 0 "." part[3] + 0 "." (n > 3 ? part[4] + 0 : 0)
}
"""
    + f"/{PLAIN}/ || (/{LOUD}/ && /{OURS}/) {{ if (!bad) bad = $0 }}"
    + r"""
/DB version and code version matches so no upgrade needed/ { if (!good) good = $0 }
/Database upgrade must be performed from / { wanted = $0; sub(/.* to /, "", wanted) }
/Upgrade completed for version / {
  reached = $0; sub(/.*for version /, "", reached)
  if (wanted && same(reached, wanted) && !good) good = $0
}
END { if (bad) print "bad " bad; else if (good) print "good " good }
"""
)
"""awk: what the log says of the database. The texts are those of DatabaseUpgradeChecker in both eras."""

FOLLOW = (
    SHELL
    + """\
unit=$1 log=$2 seconds=$3 judge=$4
place=$(mktemp -d) || exit 1
trap 'rm -rf "$place"' EXIT
size() { stat -c %s "$log" 2>/dev/null || echo 0; }
! service_is "$unit" || service_do stop "$unit" || exit 1
offset=$(size) end=$(($(date +%s) + seconds)) down=0 answer=
echo "Following $log from byte $offset."
service_do start "$unit" || { say "$unit did not start."; exit 1; }
while [ "$(date +%s)" -lt "$end" ]; do
  now=$(size)
  [ "$now" -ge "$offset" ] || offset=0
  if [ "$now" -gt "$offset" ]; then
    tail -c "+$((offset + 1))" "$log" | head -c "$((now - offset))" | tee -a "$place/new"
    offset=$now
    answer=$(awk "$judge" "$place/new")
  fi
  case $answer in
    good*) exit 0 ;;
    bad*) say "The log says: ${answer#bad }"; exit 4 ;;
  esac
  if service_is "$unit"; then down=0; else down=$((down + 1)); fi
  [ "$down" -lt 3 ] || { say "$unit ended. $(grep Exception "$place/new" 2>/dev/null | tail -n 1)"; exit 5; }
  sleep 1
done
say "Within $seconds s the log did not say that the database fits. $(grep Exception "$place/new" 2>/dev/null | tail -n 1)"
exit 6
"""
)
"""Starts the service and prints its log until that says how the database is. Exit codes: 4 the log says no, 5 it ended, 6 time is up."""

CODE = 'tail -c 20000000 "$1" | grep "Code Version = " | tail -n 1\n'

ANSWERS = """\
url=http://127.0.0.1:8080/client/api?command=listCapabilities
if command -v curl >/dev/null; then curl -s -m 20 "$url"; else wget -q -O - -T 20 --content-on-error "$url"; fi
"""
"""Nobody logs in: the API refuses, in its own words and with its version."""


def run(script: str, *argv: str, sudo: bool, gist: str = "") -> Command:
    return Command(script=script, argv=argv, sudo=sudo, gist=gist)


def query(conf: str, name: str, *texts: str, sudo: bool) -> Command:
    """Asks the database by the management server's own login."""
    return run(ASK, conf, name, *texts, sudo=sudo, gist="\n".join(texts))
