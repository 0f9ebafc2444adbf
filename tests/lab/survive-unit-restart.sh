# shellcheck shell=bash
# variants: root user
# timeout: 120
#
# A unit that has launched a job with --detach is stopped and restarted: the job lives, and so does
# its recorder, which writes down how it ended. Whatever the unit's Type= is.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
if [ "$LAB_VARIANT" = user ]; then
    manager=(systemctl --user) units=$XDG_RUNTIME_DIR/systemd/user
else
    manager=(systemctl) units=/run/systemd/system
fi
types="oneshot simple forking" services=(lab-oneshot lab-simple lab-forking)
cleanup() {
    "${manager[@]}" stop "${services[@]}" 2>/dev/null || true
    rm -f "$units"/lab-{oneshot,simple,forking}.service
    "${manager[@]}" daemon-reload
    kill_jobs
}
trap cleanup EXIT

# What each unit does: launch two jobs, then behave as its type demands.
cat >service.sh <<EOF
cd $PWD
n=\$(cat \$1.starts 2>/dev/null || echo 0)
echo \$((n + 1)) >\$1.starts
$LAB_BIN/ffrtmp run -q --detach --job-id \$1-\$n --memory-max 100M -- sh -c 'while [ ! -e go ]; do sleep 0.2; done; exit 7'
case \$1 in
    simple)  exec sleep infinity ;;
    forking) sleep infinity & ;;
esac
EOF
mkdir -p "$units"
for type in $types; do
    printf '[Service]\nType=%s\nExecStart=/bin/sh %s %s\n' "$type" "$PWD/service.sh" "$type" >"$units/lab-$type.service"
    [ "$type" != oneshot ] || echo RemainAfterExit=yes >>"$units/lab-$type.service"
done
"${manager[@]}" daemon-reload
"${manager[@]}" start "${services[@]}"
for type in $types; do wait_for 20 is_state "$type-0" running; done
declare -A pid recorder
for type in $types; do
    pid[$type]=$(job_pid "$type-0")
    recorder[$type]=$(ffrtmp status --json "$type-0" | jq -er .observer.pid)
    for process in "${pid[$type]}" "${recorder[$type]}"; do
        [[ $(cgroup_of "$process") == */ffrtmp.slice/ffrtmp-jobs.scope/* ]] ||
            fail "$type: $(cat "/proc/$process/comm") stands in $(cgroup_of "$process")"
    done
done
"${manager[@]}" restart "${services[@]}"
for type in $types; do wait_for 20 is_state "$type-1" running; done
"${manager[@]}" stop "${services[@]}"
assert_eq "inactive inactive inactive" "$("${manager[@]}" is-active "${services[@]}" | xargs)" "the units"
for type in $types; do
    ! gone "${pid[$type]}" || fail "$type: the job has ended with its unit"
    ! gone "${recorder[$type]}" || fail "$type: the recorder has ended with its unit"
    assert_eq "running running" "$(state_of "$type-0") $(state_of "$type-1")" "$type: states"
done
touch go
for type in $types; do
    for job in "$type-0" "$type-1"; do
        code=0
        timeout 60 ffrtmp wait "$job" || code=$?
        assert_eq 7 $code "$job: code of ffrtmp wait"
        assert_eq "exited 7" "$(ffrtmp status --json "$job" | jq -r '.result | "\(.outcome) \(.exit_code)"')" "$job: result"
    done
    wait_for 10 gone "${recorder[$type]}"
done
wait_for 10 no_scope
