# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# A stream key or a password in a URL is shown nowhere without --show-secrets, and reaches the workload unchanged.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
url='rtmp://user:hunter2pass@live.example.net/app/KEYKEYKEY?token=TOKTOKTOK&sig=SIGSIGSIG'
secret='hunter2pass|KEYKEYKEY|TOKTOKTOK|SIGSIGSIG'
cat >ffmpeg <<'S'
#!/bin/sh
echo "$@" >arguments
echo "opening $*"
echo "warning: $* refused" >&2
sleep 0.7
exit 1
S
chmod +x ffmpeg
clean() { ! grep -aE "$secret" "$@" || fail "secret shown by $(basename "$1")"; }
ffrtmp run --job-id "$TAG-f" --memory-max 1G --json --result-file r.json -- ./ffmpeg -i "$url" >json 2>receipt || true
# What the workload prints itself is its own business: in the foreground it goes straight to the caller.
grep -v '^opening ' json >json.ours
grep -v '^warning: ' receipt >receipt.ours
clean json.ours
clean receipt.ours
clean r.json
assert_eq "-i $url" "$(cat arguments)"
ffrtmp run -d --progress --job-id "$TAG" -- ./ffmpeg -i "$url" >started 2>&1
for show in ps 'ps --json' "status $TAG" "status --json $TAG"; do
    # shellcheck disable=SC2086
    ffrtmp $show >shown 2>&1
    clean shown
    # shellcheck disable=SC2086
    ffrtmp $show --show-secrets >shown 2>&1
    [ "$show" = ps ] || grep -qF KEYKEYKEY shown || fail "$show --show-secrets hides it"
done
ffrtmp wait "$TAG" >waited 2>&1 || true
ffrtmp logs "$TAG" >shown.logs 2>&1
grep -q opening shown.logs || fail "no log"
ffrtmp status "$TAG" >shown.status 2>&1
ffrtmp ps --all --json >all 2>&1
for file in started waited shown.logs shown.status all "state/jobs/$TAG/result.json"; do clean "$file"; done
ffrtmp logs --show-secrets "$TAG" | grep -qF KEYKEYKEY || fail "logs --show-secrets hides it"
for other in 'srt://h:1?passphrase=TOKTOKTOK&streamid=KEYKEYKEY' 'rtsp://u:hunter2pass@h/x' 'https://h/x?key=KEYKEYKEY' '[f=flv]rtmp://h/app/KEYKEYKEY|[f=flv]rtmps://h/app/TOKTOKTOK'; do
    ffrtmp run --json --job-id "$TAG-o" -- true "$other" >json 2>&1
    clean json
done
# An error that repeats the command line is no way out either.
ffrtmp run -- "$url" >error 2>&1 || true
ffrtmp run "$url" >>error 2>&1 || true
ffrtmp run --log "$url/x" -- true >>error 2>&1 || true
clean error
