# shellcheck shell=bash
# variants: root user bare
# timeout: 120
#
# What is not moved or not touched: containers, other users' processes, frozen and threaded cgroups. One line says why.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
frozen=/sys/fs/cgroup/ffrtmp-lab-frozen
cleanup() {
    systemctl stop "docker-$(printf 'a%.0s' {1..64}).scope" lab-other 2>/dev/null || true
    [ "$LAB_VARIANT" != root ] || { echo 0 >$frozen/cgroup.freeze; echo 1 >$frozen/cgroup.kill; sleep 0.3; rmdir $frozen/threads $frozen; } 2>/dev/null || true
    kill_jobs
}
trap cleanup EXIT
refused() {    # PART ARGUMENT...
    local part=$1 code=0
    shift
    ffrtmp "$@" >out 2>err || code=$?
    assert_eq 125 $code "exit code of: $*: $(cat err)"
    assert_eq 1 "$(wc -l <err)" "lines: $(cat err)"
    grep -qF -- "$part" err || fail "no '$part' in: $(cat err)"
}
if [ "$LAB_VARIANT" != root ]; then
    refused 'belongs to root' attach --once --pid "$(pgrep -o -x systemd-journal)" --nice 5
    # Its own are its own, with or without a place for them.
    sleep 100 &
    pid=$!
    ffrtmp attach --pid $pid --job-id r1 --once --cpu-weight 50 --ionice idle 2>err || fail "$(cat err)"
    cat err
    ffrtmp detach r1 || [ "$LAB_VARIANT" = bare ] || fail "detach"
    kill $pid
    exit 0
fi
scope="docker-$(printf 'a%.0s' {1..64}).scope"
systemd-run --quiet --scope --unit="$scope" sh -c "sleep 200; :" &
wait_for 10 pgrep -x sleep
wait_for 10 sh -c "grep -q docker- /proc/\$(pgrep -x sleep | head -n 1)/cgroup"
pid=$(pgrep -x sleep | head -n 1)
before=$(cgroup_of "$pid")
refused 'docker' attach --once --pid "$pid" --memory-max 100M
assert_eq "$before" "$(cgroup_of "$pid")"
# Its own settings are another thing.
ffrtmp attach --pid "$pid" --job-id c1 --once --json --memory-max 100M --nice 5 >job 2>err || fail "$(cat err)"
assert_eq "$before" "$(cgroup_of "$pid")" "moved out of a container"
jq -e '.receipt.limits | map({(.limit): .strength}) | add == {"memory.max": "none", "nice": "enforced"}' job >/dev/null || fail "$(cat job)"
jq -e '.receipt.limits[] | select(.limit == "memory.max") | .why | contains("docker")' job >/dev/null || fail "$(cat job)"
ffrtmp detach c1
# --move overrides. (The scope lives on with the shell that is left in it.)
ffrtmp attach --pid "$pid" --job-id c2 --once --move --memory-max 100M 2>err || fail "$(cat err)"
grep -q ffrtmp-jobs.scope/c2 "/proc/$pid/cgroup" || fail "--move did not move it"
ffrtmp detach c2
assert_eq "$before" "$(cgroup_of "$pid")"
# A namespace of its own is a container's sign, too.
unshare --pid --fork sleep 222 &
wait_for 10 pgrep -f '^sleep 222'
refused 'namespace' attach --once --pid "$(pgrep -f '^sleep 222')" --memory-max 100M
kill -KILL "$(pgrep -f "^sleep 222")"    # the first process of a PID namespace hears nothing else

mkdir $frozen
sleep 100 &
echo $! >$frozen/cgroup.procs
echo 1 >$frozen/cgroup.freeze
wait_for 10 grep -q 'frozen 1' $frozen/cgroup.events
refused 'frozen' attach --once --pid $! --memory-max 100M
echo 0 >$frozen/cgroup.freeze
mkdir $frozen/threads
echo threaded >$frozen/threads/cgroup.type
echo $! >$frozen/threads/cgroup.procs
refused 'threaded' attach --once --pid $! --memory-max 100M
kill $!
