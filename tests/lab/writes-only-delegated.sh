# shellcheck shell=bash
# variants: root user hybrid
# timeout: 120
#
# On a systemd host nothing is written, made or removed in a cgroup that was not delegated to us.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

trace() {
    strace -f -qq -y -s 200 --seccomp-bpf -e trace=write,pwrite64,writev,mkdir,mkdirat,rmdir,unlinkat,setxattr,fsetxattr -o "$1.trace" "${@:2}"
}
limits=(--cpu-max 50% --cpu-weight 50 --memory-max 100M --memory-high 90M --pids-max 50 --cpuset 0 --io-weight 50 --io-max "$PWD wbps=10M")
trace foreground ffrtmp run -q "${limits[@]}" -- sh -c 'sleep 0.2'
# strace waits for the recorder, too.
trace detached ffrtmp run -q "${limits[@]}" -d --job-id d -- sleep 100 &
wait_for 30 is_state d running
trace exec ffrtmp run -q "${limits[@]}" --exec -- sh -c 'sleep 0.2'
trace stop ffrtmp stop d
wait
trace alone ffrtmp run -q --placement none "${limits[@]}" -- true
trace oom ffrtmp run -q --memory-max 20M -- tail /dev/zero || true

# Paths and names in full: "write(5</sys/fs/cgroup/x/memory.max>", "mkdirat(4</sys/fs/cgroup/x>, "job"".
sed -n -E 's/^[0-9]+ +(write|pwrite64|writev|fsetxattr)\([0-9]+<([^>]*)>.*/\2/p
           s/^[0-9]+ +(mkdirat|unlinkat)\([0-9]+<([^>]*)>, "([^"]*)".*/\2\/\3/p
           s/^[0-9]+ +(mkdir|rmdir|setxattr)\("([^"]*)".*/\2/p' ./*.trace | grep '^/sys/fs/cgroup' | sort | uniq -c >touched
delegated='/sys/fs/cgroup(/user.slice/user-1500.slice/user@1500.service|/[a-z,]+)?/ffrtmp.slice/ffrtmp-jobs.scope/'
grep -E "$delegated.*/(memory.max|memory.limit_in_bytes)$" touched | grep -q . || fail "the trace shows no limit being written: $(cat touched)"
! grep -vE " $delegated" touched || fail "written outside what was delegated"

# By name it is refused, in one line, with nothing started.
code=0
ffrtmp run --placement cgroup -- touch started 2>err || code=$?
assert_eq 125 $code "exit code of --placement cgroup"
assert_eq 1 "$(wc -l <err)" "lines of: $(cat err)"
grep -q 'systemd owns the tree' err || fail "said: $(cat err)"
[ ! -e started ] || fail "it was started all the same"
wait_for 10 no_scope
! find /sys/fs/cgroup -type d -name '*ffrtmp*' ! -path '*/ffrtmp.slice' | grep . || fail "a cgroup is left"
