# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# A state folder that cannot be used costs the record, not the job; and it says what is lost.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
lost() {
    expect 7 ffrtmp run -- sh -c 'echo ran; exit 7'
    assert_eq ran "$out"
    assert_contains "$err" "$1"
    assert_contains "$err" "status"    # what is lost
    expect 7 ffrtmp run -q -- sh -c 'exit 7'
    expect 0 ffrtmp run --exec --job-id "$TAG-x" -- true
    expect 0 ffrtmp run -d --job-id "$TAG" -- sh -c "sleep 0.2; touch $TMP/came"
    wait_for 5 test -e came
    rm came
}
: >file
FFRTMP_STATE_DIR=$TMP/file lost "$TMP/file"
FFRTMP_STATE_DIR=$TMP/file/below lost "$TMP/file"
FFRTMP_STATE_DIR=/proc/ffrtmp lost /proc/ffrtmp
mkdir good
: >good/jobs
FFRTMP_STATE_DIR=$TMP/good lost "$TMP/good/jobs"
ln -s good link
FFRTMP_STATE_DIR=$TMP/link lost "$TMP/link"
FFRTMP_STATE_DIR=relative lost relative
if [ "$(id -u)" = 0 ]; then
    mkdir theirs
    chown 65534 theirs
    FFRTMP_STATE_DIR=$TMP/theirs lost "$TMP/theirs"
fi
# What only shows jobs says so in one line.
FFRTMP_STATE_DIR=$TMP/file expect 125 ffrtmp ps
assert_eq 1 "$(wc -l <.err)" "ps: $err"
FFRTMP_STATE_DIR=$TMP/none expect 0 ffrtmp ps
[ ! -e none ] || fail "ps made a state folder"
# Of --exec nothing of ours is left, and no record says what to tidy up.
leaves_of "$TAG-x" | xargs -r rmdir
wait_for 5 no_leaves
