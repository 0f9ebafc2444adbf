# shellcheck shell=bash
# variants: user
# timeout: 900
#
# One master and three agents, all of them services of a normal user's manager: jobs of several types with both engines, beside them an
# agent that is killed and one that is restarted. Each job has a cgroup of its own outside the agents' units. In the end a batch job
# stands aside for a live one that waits for CPUs (PSI), and goes on after it.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
[ -x "$LAB_BIN/agent" ] && [ -x "$LAB_BIN/master" ] || skip "agent and master were not built"
fleet() { "$LAB_BIN/ffrtmp-fleet" "$1" --master https://127.0.0.1:8443 --ca "$PWD/master/tls/ca.crt" --api-key-file "$PWD/master/admin.key" "${@:2}"; }
cleanup() { systemctl --user stop lab-agent-1 lab-agent-2 lab-agent-3 lab-master 2>/dev/null || true; }
trap cleanup EXIT

service() { systemd-run --user --quiet --collect --unit "$1" --working-directory="$PWD" --setenv=PATH="$PATH" -p KillMode=process "${@:2}"; }
service lab-master -p Type=notify "$LAB_BIN/master" --listen 127.0.0.1:8443 --state-dir "$PWD/master"
wait_for 60 test -s master/admin.key
mkdir media
make_video media/short.mp4 1
make_video media/long.mp4 20
ffmpeg -nostdin -v error -i media/short.mp4 -c:v mjpeg media/short.mkv    # the guest's GStreamer has no decoder for MPEG-4
page() { ffrtmp node --json --address "$(cat "agent-$1/address")"; }
joined() { [ "$(page "$1" | jq -r '.ready and .master_reached')" = true ]; }
for i in 1 2 3; do
    service lab-agent-$i -p Type=notify -p WatchdogSec=120 -p Restart=on-failure -p RestartSec=1 "$LAB_BIN/agent" \
        --master https://127.0.0.1:8443 --ca "$PWD/master/tls/ca.crt" --api-key-file "$PWD/master/admin.key" --name "lab-$i" \
        --state-dir "$PWD/agent-$i" --metrics-listen 127.0.0.1:0 --max-concurrent-jobs 2 --input-root "$PWD/media" --label "place=$i" --allow-exec
done
for i in 1 2 3; do wait_for 400 joined $i; done    # each tries every encoder first
assert_eq 3 "$(fleet nodes list --json | jq '.nodes | length')" "nodes"

# A long one for each agent (by its label), so that each is at work when things happen to it.
long=()
for i in 1 2 3; do
    fleet jobs submit transcode media/long.mp4 -o "long-$i.mp4" -p preset=veryslow --require "label:place=$i" --json >"long-$i.json"
    long+=("$(jq -er .id "long-$i.json")")
done
jobs=()
submit() { fleet jobs submit "$@" --json >submitted && jobs+=("$(jq -er .id submitted)"); }
submit transcode media/short.mp4 -o a.mp4 -p preset=ultrafast
submit transcode media/short.mkv -o b.webm -p engine=gstreamer -p codec=vp9
submit probe media/short.mp4
submit hash media/short.mp4 -p of=frames
submit thumbnail media/short.mp4 -p sizes=32

running() { page "$1" | jq -er '[.jobs[] | select(.step == "running")][0].run_id'; }
declare -A pids
uid=$(id -u)
for i in 1 2 3; do
    wait_for 120 running $i >/dev/null
    run=$(running $i)
    pids[$i]=$(jq -er .workload.pid "$(state_folder)/jobs/$run/record.json")
    place=$(cgroup_of "${pids[$i]}")
    case $place in
        */user@"$uid".service/*ffrtmp-jobs.scope/*) ;;
        *) fail "a job of agent $i stands in $place" ;;
    esac
done
# One is killed, one restarted: their jobs do not notice.
main() { systemctl --user show -P MainPID "lab-agent-$1"; }
old=$(main 1)
kill -9 "$old"
renewed() { [ "$(main 1)" != "$old" ] && [ "$(main 1)" != 0 ] && joined 1; }
wait_for 120 renewed
systemctl --user restart lab-agent-2
wait_for 120 joined 2
for i in 1 2 3; do [ -d "/proc/${pids[$i]}" ] || fail "the job of agent $i is gone"; done

ended() { fleet jobs status "$1" --json >status && jq -e '.ended_at' status >/dev/null; }
for job in "${jobs[@]}" "${long[@]}"; do
    wait_for 400 ended "$job"
    assert_eq succeeded "$(jq -r .state status)" "$(cat status)"
    assert_eq 1 "$(fleet jobs status "$job" --json | jq .attempt)" "attempts of $job"
done
fleet jobs artifacts "${jobs[1]}" >artifacts
grep -q b.webm artifacts || fail "$(cat artifacts)"

here=(--require label:place=1 --json)
at_work() { page 1 | jq -e --arg queue "$1" '.jobs[] | select(.queue == $queue and .step == "running")' >/dev/null; }
aside() { page 1 | jq -e --argjson so "$1" '.jobs[] | select(.queue == "batch") | .stands_aside == $so' >/dev/null; }
fleet jobs submit exec -p 'command=["sh","-c","while :; do sleep 1; done"]' --queue batch "${here[@]}" >batch.json
wait_for 120 at_work batch
run=$(page 1 | jq -er '.jobs[] | select(.queue == "batch") | .run_id')
frozen() { grep -qx "frozen $1" "$(job_dir "$run")/cgroup.events"; }
frozen 0 || fail "frozen before there is a live job"
# Three that want a CPU each, where there are two.
fleet jobs submit exec -p 'command=["sh","-c","for i in 1 2 3; do (while :; do :; done) & done; wait"]' --queue live "${here[@]}" >live.json
wait_for 180 aside true
wait_for 60 frozen 1
ffrtmp node --address "$(cat agent-1/address)" | grep -q ' batch .* aside ' || fail "$(ffrtmp node --address "$(cat agent-1/address)")"
fleet jobs cancel "$(jq -r .id live.json)" >/dev/null
wait_for 180 aside false
wait_for 60 frozen 0
fleet jobs cancel "$(jq -r .id batch.json)" >/dev/null

clear() { page "$1" | jq -e '.outbox == 0 and .jobs == []' >/dev/null && [ -z "$(ls "agent-$1/work")" ]; }
for i in 1 2 3; do wait_for 60 clear $i; done
