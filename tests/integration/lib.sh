# shellcheck shell=bash disable=SC2015,SC2034
# Helpers for the integration tests: . "$TESTS/lib.sh"
# The runner has set: TMP (a fresh folder, also the present one), TAG (unique to this test: start every job id
# with it), FFRTMP_STATE_DIR (below TMP, not made yet), REPO, TESTS, and PATH with the binaries first.

fail() { echo "FAILED: $*" >&2; exit 1; }

skip() { echo "$*"; exit 77; }

# assert_eq EXPECTED ACTUAL [WHAT]
assert_eq() {
    [ "$1" = "$2" ] || fail "${3:+$3: }expected '$1', got '$2'"
}

# assert_contains TEXT PART [WHAT]
assert_contains() {
    [[ $1 == *"$2"* ]] || fail "${3:+$3: }no '$2' in '$1'"
}

# assert_lacks TEXT PART [WHAT]
assert_lacks() {
    [[ $1 != *"$2"* ]] || fail "${3:+$3: }'$2' in '$1'"
}

# assert_near EXPECTED ACTUAL PERCENT [WHAT]
assert_near() {
    awk -v e="$1" -v a="$2" -v p="$3" 'BEGIN { d = a - e; if (d < 0) d = -d; exit !(d <= e * p / 100) }' ||
        fail "${4:+$4: }expected $1 within $3 %, got $2"
}

# wait_for SECONDS COMMAND...: until it succeeds; fails the test when it does not in time.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "still not so: $*"
        sleep 0.05
    done
}

# expect CODE COMMAND...: run it; its output is in $out and $err; the test fails on another exit code.
expect() {
    local want=$1 got=0
    shift
    "$@" >"$TMP/.out" 2>"$TMP/.err" || got=$?
    out=$(tr -d '\0' <"$TMP/.out") err=$(cat "$TMP/.err")
    [ "$got" = "$want" ] || fail "exit code $got instead of $want from: $*
$err"
}

# json FILE JQ-EXPRESSION: raw output; the test fails when the result is false or null.
json() { jq -e -r "$2" "$1" || fail "not so in $1: $2: $(jq -c . "$1")"; }

# result JOB JQ-EXPRESSION: the same of a job's result.json.
result() { json "$FFRTMP_STATE_DIR/jobs/$1/result.json" "$2"; }

# make_video PATH SECONDS: a tiny clip, quick to make.
make_video() {
    ffmpeg -nostdin -v error -y -f lavfi -i "testsrc=size=64x48:rate=10:duration=$2" -c:v mpeg4 -q:v 10 "$1"
}

# live_encode SECONDS FILE: sets `encode` to an ffmpeg command that takes so long to write so much video.
live_encode() {
    encode=(ffmpeg -nostdin -v error -y -re -f lavfi -i "testsrc=size=64x48:rate=25:duration=$1" -c:v mpeg4 "$2")
}

# assert_playable FILE SECONDS: ffprobe finds that much video, within a fifth of a second.
assert_playable() {
    local found
    found=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$1") || fail "$1 is not playable"
    awk -v a="$2" -v b="$found" 'BEGIN { d = a - b; exit !(d < 0.2 && d > -0.2) }' || fail "$1 lasts $found s, not $2"
}

# runs PID: it lives and is not a zombie.
runs() { [ -e "/proc/$1/stat" ] && [ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null)" != Z ]; }
gone() { ! runs "$1"; }

# pid_of JOB: its workload's.
pid_of() { ffrtmp status --json "$1" | jq -e .identity.pid; }

# leaves: every cgroup of this test's jobs; leaves_of JOB: of one.
leaves() { leaves_of "$TAG"; }
leaves_of() { find /sys/fs/cgroup -type d -name "*$1*" 2>/dev/null; }
no_leaves() { [ -z "$(leaves)" ]; }

# sweep: what any launch does at most once a minute, now.
sweep() { rm -f "$FFRTMP_STATE_DIR/swept" && ffrtmp run -q -- true; }

# cgroup_dir PID CONTROLLER: the folder in sysfs where that controller of v1 accounts the process.
cgroup_dir() {
    local path
    path=$(awk -F: -v c="$2" '{ n = split($2, a, ","); for (i = 1; i <= n; i++) if (a[i] == c) print $3 }' "/proc/$1/cgroup")
    [ -n "$path" ] && echo "$(v1_mount "$2")$path"
}

# v1_mount CONTROLLER: where it is mounted.
v1_mount() {
    awk -v c="$1" '{ for (i = 1; i <= NF; i++) if ($i == "-") break
                     if ($(i + 1) == "cgroup" && ("," $(i + 3) ",") ~ ("," c ",")) { print $5; exit } }' /proc/self/mountinfo
}

# need_v1 CONTROLLER...: skip unless root can make v1 cgroups for them without systemd.
need_v1() {
    local controller
    [ "$(id -u)" = 0 ] || skip "needs root"
    [ ! -d /run/systemd/system ] || skip "systemd runs this host: the lab tests its cgroups"
    for controller in "$@"; do
        [ -n "$(v1_mount "$controller")" ] && [ -w "$(v1_mount "$controller")" ] || skip "no v1 $controller controller"
    done
}

need() { command -v "$1" >/dev/null || skip "no $1 here"; }

# settings_of PID: everything that attach may change of a process, a line each: cgroups, and of each thread nice, I/O
# priority and affinity.
settings_of() {
    local task
    cat "/proc/$1/cgroup" 2>/dev/null
    echo "oom_score_adj $(cat "/proc/$1/oom_score_adj")"
    for task in "/proc/$1/task/"*; do
        echo "$(sed 's/.*) //' "$task/stat" 2>/dev/null | cut -d' ' -f17) $(ionice -p "${task##*/}" 2>/dev/null) $(taskset -pc "${task##*/}" 2>/dev/null | sed 's/.*: //')"
    done | sort | uniq -c
}

# threads_of PID: how many live.
threads_of() { ls "/proc/$1/task" | wc -l; }

# nices_of PID: each nice value that a thread of it has, once.
nices_of() { for task in "/proc/$1/task/"*; do sed 's/.*) //' "$task/stat" | cut -d' ' -f17; done | sort -u | xargs; }

# free_port: one that nobody listens on now.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# nginx_rtmp PORT [DIRECTIVES]: starts an RTMP server in the folder nginx, with an application "live" that records nothing
# unless told ("record all; record_path …;"); nginx_stop ends it. It carries the test's tag.
nginx_rtmp() {
    [ -e /usr/lib/nginx/modules/ngx_rtmp_module.so ] || skip "no libnginx-mod-rtmp"
    mkdir -p nginx/logs
    cat >nginx/nginx.conf <<N
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; master_process off; pid $TMP/nginx/pid; error_log $TMP/nginx/error.log;
events { worker_connections 64; }
rtmp { server { listen 127.0.0.1:$1; chunk_size 4096; application live { live on; ${2:-record off;} } } }
N
    nginx -p "$TMP/nginx" -c "$TMP/nginx/nginx.conf" >nginx/out 2>&1 &
    nginx_pid=$!
    wait_for 10 python3 -c "import socket; socket.create_connection(('127.0.0.1', $1), 1)"
}
nginx_stop() {
    [ -n "${nginx_pid:-}" ] || return 0
    kill -QUIT "$nginx_pid" 2>/dev/null || true
    sleep 0.3
    kill -KILL "$nginx_pid" 2>/dev/null || true
    wait "$nginx_pid" 2>/dev/null || true
}
