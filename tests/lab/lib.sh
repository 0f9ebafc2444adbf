# shellcheck shell=bash
# Helpers for the lab's tests: . "$LAB_TESTS/lib.sh"

fail() { echo "FAILED: $*" >&2; exit 1; }

skip() { echo "$*"; exit 77; }

# assert_eq EXPECTED ACTUAL [WHAT]
assert_eq() {
    [ "$1" = "$2" ] || fail "${3:+$3: }expected '$1', got '$2'"
}

# wait_for SECONDS COMMAND...: until it succeeds; fails the test when it does not in time.
# Emulation is slow and its speed varies: be generous, a condition that holds costs nothing.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "still not so: $*"
        sleep 0.1
    done
}

# make_video PATH SECONDS: a tiny clip, quick to make under emulation.
make_video() {
    ffmpeg -nostdin -v error -y -f lavfi -i "testsrc=size=64x48:rate=10:duration=$2" \
        -c:v mpeg4 -q:v 10 "$1"
}

# cgroup_of PID: its cgroup2 path, below wherever cgroup2 is mounted.
cgroup_of() { sed -n 's/^0:://p' "/proc/$1/cgroup"; }

# places_of PID: where it stands, as far as that is for us to say. On v1, systemd itself moves processes between a unit's
# folder and those above it as controllers come into use and go out of it; not with those that it always accounts.
places_of() {
    if [ "$LAB_VARIANT" = hybrid ]; then grep -E ':(pids|memory|name=systemd|):' "/proc/$1/cgroup"; else cat "/proc/$1/cgroup"; fi
}

# cgroup2_root: where cgroup2 is mounted.
cgroup2_root() { findmnt -n -o TARGET -t cgroup2 | head -n 1; }

# json FILE JQ-EXPRESSION: raw output; fails when the result is false or null.
json() { jq -e -r "$2" "$1"; }

# --- jobs of ffrtmp ---

# cgroup_root CONTROLLER: the mount point of the hierarchy that has it here.
cgroup_root() {
    if [ "$LAB_VARIANT" = hybrid ]; then echo "/sys/fs/cgroup/$1"; else echo /sys/fs/cgroup; fi
}

# job_dir JOB [CONTROLLER]: the folder of its cgroup (hybrid: in that controller's hierarchy).
job_dir() { echo "$(cgroup_root "${2:-memory}")$(ffrtmp status --json "$1" | jq -er .receipt.cgroup)"; }

job_pid() { ffrtmp status --json "$1" | jq -er .identity.pid; }

# row JOB-JSON LIMIT FIELD: a field of a limit's row in a receipt (of --json, result.json or status --json).
row() { jq -er --arg limit "$2" '(.receipt.limits? // .receipt)[] | select(.limit == $limit) | '"$3" "$1"; }

# scopes: the folders of the cgroups in which a scope of ours keeps its jobs, that exist now.
scopes() {
    local dir
    for dir in "$(cgroup2_root)"/ffrtmp.slice/ffrtmp-jobs.scope \
               "$(cgroup2_root)"/user.slice/user-*.slice/user@*.service/ffrtmp.slice/ffrtmp-jobs.scope; do
        [ ! -d "$dir" ] || echo "$dir"
    done
}

# In no hierarchy: systemd takes it down one after the other.
no_scope() { ! find /sys/fs/cgroup -maxdepth 6 -type d -name ffrtmp-jobs.scope 2>/dev/null | grep -q .; }

# What systemd could not remove on v1, because a process had not quite left it, and does not come back for. (ffrtmp
# takes over such a folder, or sweeps it.)
remove_v1_leftovers() {
    [ "$LAB_VARIANT" = hybrid ] && [ -z "$(scopes)" ] || return 0
    find /sys/fs/cgroup -depth -path '*/ffrtmp-jobs.scope*' -type d -exec rmdir {} + 2>/dev/null || true
}

# state_of JOB: running, unobserved, ended, ...; empty when it is not known.
state_of() { ffrtmp ps --all --json | jq -r --arg job "$1" '.[] | select(.job_id == $job) | .state'; }

is_state() { [ "$(state_of "$1")" = "$2" ]; }

gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status"; }

state_folder() {
    if [ "$(id -u)" = 0 ]; then echo /run/ffrtmp; else echo "${XDG_RUNTIME_DIR:-/nonexistent}/ffrtmp"; fi
}

# kill_jobs: end every job that has a cgroup, without asking ffrtmp, and forget all of them.
kill_jobs() {
    local scope job waited
    ! systemctl stop lab-parent 2>/dev/null || true
    for scope in $(scopes); do
        for job in "$scope"/[!_]*/; do
            { echo 1 >"$job/cgroup.kill"; } 2>/dev/null || true
        done
    done
    rm -rf "$(state_folder)"
    for waited in {1..100}; do
        ! no_scope || return 0
        [ "$waited" -lt 30 ] || remove_v1_leftovers
        sleep 0.1
    done
    echo "lab: a scope stays after $((waited / 10)) s:" >&2
    # shellcheck disable=SC2046  # paths without spaces
    systemd-cgls --no-pager $(scopes) >&2
    return 1
}

# in_place PLACE ARGUMENT...: `ffrtmp run` with the arguments, in the foreground, where the place says:
#   scope    here: a scope of ours
#   parent   below a unit that is delegated to us and in which we do not stand (see make_parent)
#   own      in a service with Delegate=yes, so that the job lives below that unit
in_place() {
    local place=$1
    shift
    case $place in
        scope)  ffrtmp run "$@" ;;
        parent) ffrtmp run --cgroup-parent "$(systemctl show -P ControlGroup lab-parent)" "$@" ;;
        own)    in_unit -p Delegate=yes -- ffrtmp run "$@" ;;
    esac
}

# in_unit PROPERTY... -- COMMAND...: in a unit of this variant's manager; its exit code is the command's.
in_unit() {
    local manager=()
    [ "$LAB_VARIANT" != user ] || manager=(--user)
    systemd-run "${manager[@]}" --quiet --wait --collect --pipe --working-directory="$PWD" --setenv=PATH="$PATH" "$@"
}

# make_parent: lab-parent.service, a delegated unit whose own process has stepped aside.
make_parent() {
    cat >"$LAB_TMP/parent.sh" <<'EOF'
here=/sys/fs/cgroup$(sed s/^0::// /proc/self/cgroup)
mkdir "$here/aside" && echo $$ >"$here/aside/cgroup.procs" && exec sleep infinity
EOF
    systemd-run --quiet --unit=lab-parent -p Delegate=yes sh "$LAB_TMP/parent.sh"
    # Files in cgroups have no size.
    wait_for 10 grep -qs . "/sys/fs/cgroup$(systemctl show -P ControlGroup lab-parent)/aside/cgroup.procs"
}

# places: the places that in_place knows in this variant.
places() {
    case $LAB_VARIANT in
        root) echo scope parent own ;;
        *) echo scope ;;
    esac
}

# stage PREFIX [SERVICE...]: the folder stage, as `make install PREFIX=… DESTDIR=stage` makes it, with the services that are named
# (ffrtmp-agent, ffrtmp-master) and ffrtmp-watch.
stage() {
    local prefix=$1 to=$PWD/stage$1 unit
    shift
    mkdir -p "$to"/{bin,libexec/ffrtmp,lib/systemd/system,lib/sysusers.d,lib/tmpfiles.d,share/ffrtmp}
    cp "$LAB_BIN/ffrtmp" "$to/bin/"
    cp "$LAB_BIN/ffrtmp-systemd" "$to/libexec/ffrtmp/"
    cp -r "$LAB_ROOT/types" "$LAB_ROOT/systemd/user-delegate.conf" "$to/share/ffrtmp/"
    for unit in ffrtmp-watch "$@"; do
        [ "$unit" != ffrtmp-agent ] || cp "$LAB_ROOT"/systemd/ffrtmp_agent.slice "$to/lib/systemd/system/"
        [ "$unit" = ffrtmp-watch ] || cp "$LAB_BIN/${unit#ffrtmp-}" "$to/bin/$unit"
        sed "s,/usr/bin/,$prefix/bin/," "$LAB_ROOT/systemd/$unit.service" >"$to/lib/systemd/system/$unit.service"
        [ ! -f "$LAB_ROOT/systemd/$unit.sysusers" ] || cp "$LAB_ROOT/systemd/$unit.sysusers" "$to/lib/sysusers.d/$unit.conf"
        [ ! -f "$LAB_ROOT/systemd/$unit.tmpfiles" ] || cp "$LAB_ROOT/systemd/$unit.tmpfiles" "$to/lib/tmpfiles.d/$unit.conf"
    done
}
