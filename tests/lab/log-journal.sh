# shellcheck shell=bash
# variants: root hybrid
#
# --log journal: the lines are in the journal under the job's name, attached or detached.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

in_journal() { journalctl -q -o cat -t "ffrtmp-$1" | grep -qx "$2"; }
ffrtmp run -q --log journal --job-id here -- sh -c 'echo to-stdout-1; echo to-stderr-1 >&2' >out 2>&1
assert_eq '' "$(cat out)" "what came out here"
wait_for 10 in_journal here to-stdout-1
wait_for 10 in_journal here to-stderr-1
ffrtmp run -q --log journal --job-id away -d -- sh -c 'echo to-stdout-2; sleep 1; echo to-stdout-3; exit 3'
code=0
ffrtmp wait away || code=$?
assert_eq 3 $code
wait_for 10 in_journal away to-stdout-2
wait_for 10 in_journal away to-stdout-3
