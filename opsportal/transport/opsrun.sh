# Runs commands so that they outlive the connection that started them, each key at most once.
# Called as `sh -c THIS opsrun VERB ROOT KEY ...`; needs flock and setsid, and nothing newer than coreutils 5.97.
umask 077
verb=$1 root=$2 key=$3
case $key in "" | .* | -* | *[!A-Za-z0-9._-]*) echo "E bad key"; exit 2 ;; esac
mkdir -p "$root" && cd "$root" || exit 3

boot() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo none; }
verdict() { head -n 1 "$key/exit" 2>/dev/null | grep '^[0-9][0-9]*$'; }
settle() { sync "$@" 2>/dev/null || sync; }

state() { # asked in the order that leaves no gap
  [ -d "$key" ] || { echo absent; return; }
  code=$(verdict) && { echo "exited $code"; return; }
  ended=not-started; [ -e "$key/started" ] && ended=unknown-killed
  if [ "$(cat "$key/boot")" != "$(boot)" ]; then
    [ $ended = not-started ] && echo not-started || echo unknown-reboot
    return
  fi
  if flock -n "$key/alive" true; then
    code=$(verdict) && echo "exited $code" || echo $ended
    return
  fi
  echo running
}

members() { # processes of the key but the runner: marked with its name, or of its session
  runner=$(cat "$key/runner" 2>/dev/null)
  { grep -lzxF "OPSRUN_KEY=$PWD/$key" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3
    [ -n "$runner" ] && ps -o pid= -s "$runner" 2>/dev/null | tr -d ' '; } | sort -un | grep -vx -e "${runner:-0}" -e "$$"
}

case $verb in
start)
  fence=$4 sum=$5
  exec 9>.lock; flock 9
  seen=$(cat fence 2>/dev/null || echo 0)
  if [ "$fence" -lt "$seen" ]; then cat >/dev/null; echo "S fenced $seen"; exit 0; fi
  if [ "$fence" -gt "$seen" ]; then { echo "$fence" >fence.tmp && mv fence.tmp fence; } || exit 3; fi
  was=$(state)
  case $was in
  absent)
    new="$key.new.$$"
    { mkdir "$new" && cat >"$new/script" && boot >"$new/boot" && : >"$new/log" && : >"$new/alive" && echo "no verdict yet" >"$new/exit"; } || exit 3
    if [ "$(sha256sum <"$new/script" | cut -d' ' -f1)" != "$sum" ]; then rm -rf "$new"; echo "S mismatch"; exit 0; fi
    settle "$new/script" "$new/exit"
    mv "$new" "$key" || exit 3
    settle . ;;
  not-started) cat >/dev/null; boot >"$key/boot" ;;
  *) cat >/dev/null; echo "S exists $was"; exit 0 ;;
  esac
  OPSRUN_KEY="$PWD/$key" setsid sh -c '
    cd "$1" && exec 8>>alive && flock -w 10 8 || exit 4
    echo $$ >runner
    : >started; sync started 2>/dev/null || sync
    cd "$2"
    sh "$1/script" >>"$1/log" 2>&1 </dev/null 8>&-
    code=$? tenths=150 mark="OPSRUN_KEY=$OPSRUN_KEY"
    unset OPSRUN_KEY
    # Cancelled: no verdict while one of its processes still has to die.
    while [ -e "$1/cancel" ] && [ $tenths -gt 0 ]; do
      grep -lzxF "$mark" /proc/[0-9]*/environ >"$1/alive" 2>/dev/null
      grep -qvx "/proc/$$/environ" "$1/alive" || break
      sleep 0.1; tenths=$((tenths - 1))
    done
    printf "%s\n" $code 1<>"$1/exit"
    sync "$1/log" "$1/exit" 2>/dev/null || sync
  ' opsrun "$PWD/$key" "$HOME" </dev/null >/dev/null 2>&1 9>&- &
  while [ ! -e "$key/started" ] && kill -0 $! 2>/dev/null; do sleep 0.01; done
  echo "S started" ;;
poll)
  now=$(state)
  size=0; [ -d "$key" ] && size=$(($(wc -c <"$key/log")))
  echo "P $(boot) $size $now" ;;
follow) # bytes of the log from an offset as they come, for some seconds or until the verdict
  offset=$4 tenths=$5
  [ -d "$key" ] || exit 0
  [ "$(state)" = running ] || { tail -c "+$((offset + 1))" "$key/log"; exit; }
  (while [ "$tenths" -gt 0 ] && ! verdict >/dev/null; do tenths=$((tenths - 1)); sleep 0.1; done) >/dev/null 2>&1 &
  trap 'kill $! 2>/dev/null' EXIT HUP PIPE TERM
  # tail reads to the end of the file once more after the process it watches has ended.
  tail -c "+$((offset + 1))" -f --pid=$! -s 0.1 "$key/log" 2>/dev/null ;;
cancel)
  [ -d "$key" ] || exit 0
  pids=$(members)
  [ -n "$pids" ] || exit 0
  : >"$key/cancel"
  end='kill -$1 $2 || sudo -n kill -$1 $2' # what runs through sudo is not ours to signal
  sh -c "$end" opsrun TERM "$pids" 2>/dev/null
  setsid sh -c "sleep 10; $end" opsrun KILL "$pids" </dev/null >/dev/null 2>&1 & ;;
list)
  for dir in */; do key=${dir%/}; [ -e "$key/script" ] && case $key in *.new.*) ;; *) echo "$key $(state)" ;; esac; done; : ;;
forget)
  case $(state) in running) echo "E running"; exit 1 ;; esac
  rm -rf "$key" "$key".new.* ;;
clear) # the whole root, unless something of it runs
  case ${PWD##*/} in *op-[0-9]*) ;; *) echo "E not the root of one operation"; exit 2 ;; esac
  exec 9>.lock; flock 9
  for dir in */; do key=${dir%/}; [ -d "$key" ] && [ "$(state)" = running ] && { echo "C running"; exit 0; }; done
  root=$PWD; cd / && rm -rf "$root" && echo "C cleared" ;;
*) echo "E unknown verb"; exit 2 ;;
esac
