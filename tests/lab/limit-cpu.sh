# shellcheck shell=bash
# variants: root user hybrid
# timeout: 90
#
# A CPU quota bites, by the kernel's own counters, in every place where a job has a cgroup.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

# Microseconds of CPU time that the cgroup has used.
usage() {
    local key value
    if [ -e "$1/cpuacct.usage" ]; then
        read -r value <"$1/cpuacct.usage"
        echo $((value / 1000))
    else
        while read -r key value; do [ "$key" != usage_usec ] || echo "$value"; done <"$1/cpu.stat"
    fi
}

# Four busy loops: more than there are CPUs.
burn='(while :; do :; done) & (while :; do :; done) & (while :; do :; done) & while :; do :; done'
[ "$LAB_VARIANT" != root ] || make_parent
for place in $(places); do
    in_place "$place" --job-id "cpu-$place" --cpu-max 25% --no-thread-fit -- sh -c "$burn" 2>"$place.err" &
    wait_for 30 is_state "cpu-$place" running
done
sleep 1
declare -A dir from since
for place in $(places); do
    dir[$place]=$(job_dir "cpu-$place" cpuacct)
    since[$place]=${EPOCHREALTIME/./} from[$place]=$(usage "${dir[$place]}")
done
sleep 5
for place in $(places); do
    used=$(($(usage "${dir[$place]}") - from[$place])) time=$((${EPOCHREALTIME/./} - since[$place]))
    percent=$((used * 1000 / time))
    echo "$place: ${dir[$place]}: $((percent / 10)).$((percent % 10)) % of a CPU"
    [ $percent -ge 225 ] || fail "$place: the quota of 25 % gave only $percent per mille"
    [ $percent -le 275 ] || fail "$place: the quota of 25 % let $percent per mille through"
    grep -q 'cpu.max .*25%.*25%.*25%.*cgroup v[12] cpu' "$place.err" || fail "receipt: $(cat "$place.err")"
done
