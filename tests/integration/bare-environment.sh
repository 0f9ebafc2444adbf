# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# No HOME, no XDG_RUNTIME_DIR, no TERM, no locale, an empty environment, closed streams: it must not matter.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
ffrtmp=$(command -v ffrtmp)
expect 3 env -u HOME ffrtmp run -- sh -c 'exit 3'
expect 3 env -u XDG_RUNTIME_DIR -u TERM -u LANG ffrtmp run --profile live -- sh -c 'exit 3'
expect 3 env -i FFRTMP_STATE_DIR="$FFRTMP_STATE_DIR" "$ffrtmp" run -- /bin/sh -c 'exit 3'
expect 3 env -i HOME=relative PATH=/usr/bin:/bin FFRTMP_STATE_DIR="$FFRTMP_STATE_DIR" "$ffrtmp" run --profile vod -- sh -c 'exit 3'
expect 0 env -u HOME ffrtmp profiles
for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
    code=0
    eval "ffrtmp run -- sh -c 'exit 3' $closed" >/dev/null 2>&1 || code=$?
    assert_eq 3 $code "with $closed"
    code=0
    bash -c "exec $closed; ffrtmp run -- sh -c 'exit 3'" || code=$?
    assert_eq 3 $code "with exec $closed"
    code=0
    bash -c "exec $closed; ffrtmp run -q -d --job-id $TAG -- sh -c 'exit 4'" || code=$?
    assert_eq 0 $code "detached with exec $closed"
    code=0
    ffrtmp wait "$TAG" || code=$?
    assert_eq 4 $code "job of exec $closed"
done
mkdir gone
(cd gone && rmdir ../gone && expect 3 ffrtmp run -- sh -c 'exit 3')
