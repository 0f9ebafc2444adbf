# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# Standard streams are the workload's, untouched: binary data, a reader that goes away, a closed stdin, exact order.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
head -c 3000000 /dev/urandom >in
ffrtmp run -q -- cat <in >out
cmp in out
# shellcheck disable=SC2002
cat in | ffrtmp run -- cat 2>/dev/null | cmp - in
assert_eq "out err" "$(ffrtmp run -q -- sh -c 'echo out; echo err >&2' 2>&1 | xargs)"
ls -l /proc/self/fd/0 >/dev/null
assert_contains "$(ffrtmp run -q -- readlink /proc/self/fd/0 <in)" "$TMP/in"
# A reader that leaves: SIGPIPE ends the workload as it would without us, also below a caller that ignores the signal.
codes=$({ ffrtmp run -q --job-id "$TAG" -- yes; echo $? >code; } | head -n 1 >/dev/null; cat code)
assert_eq 141 "$codes"
python3 - <<'P' >ignored
import signal, subprocess
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
print(subprocess.run(["ffrtmp", "run", "-q", "--", "grep", "SigIgn", "/proc/self/status"], restore_signals=False, capture_output=True, text=True).stdout)
P
mask=$(awk '{ print $2 }' ignored)
assert_eq 0 $((0x$mask & 0x1000)) "SIGPIPE is ignored in the workload ($mask)"
assert_eq 0 $((0x$(ffrtmp run -q -- awk '/SigBlk/ { print $2 }' /proc/self/status))) "blocked signals"
# nohup's choice stays.
assert_eq 1 $((0x$(nohup ffrtmp run -q -- awk '/SigIgn/ { print $2 }' /proc/self/status 2>/dev/null) & 1)) "SIGHUP below nohup"
