# shellcheck shell=bash
# variants: root
#
# A user whose manager runs gets real limits also from where the kernel does not let them move
# processes: a login session (SSH, a console), and a system service with User=.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

mkdir -m 777 out
cat >as-lab.sh <<EOF
cd $PWD/out
ffrtmp run --memory-max 50M --cpu-max 50% -- cat /proc/self/cgroup >\$1.cgroup 2>\$1.err
ffrtmp run --job-id \$1 -d --memory-max 50M -- sh -c 'sleep 3; exit 9' 2>\$1-d.err
ffrtmp status --json \$1 >\$1.json
EOF
started() {
    local name=$1
    shift
    systemd-run --quiet --wait --collect -p User=lab --setenv=PATH="$PATH" "$@" bash "$PWD/as-lab.sh" "$name" ||
        fail "$name: $(cat out/"$name"*)"
    grep -q '/user@1500.service/ffrtmp.slice/ffrtmp-jobs.scope/cat-' "out/$name.cgroup" || fail "$name: $(cat out/"$name".*)"
    assert_eq enforced "$(row "out/$name.json" memory.max .strength)" "$name: detached"
    # The unit has ended; the job and its recorder have not.
    wait_for 20 test -s "/run/user/1500/ffrtmp/jobs/$name/result.json"
    assert_eq 9 "$(json "/run/user/1500/ffrtmp/jobs/$name/result.json" .exit_code)"
}
started session -p PAMName=login
started service --setenv=XDG_RUNTIME_DIR=/run/user/1500
started bare-service
rm -rf /run/user/1500/ffrtmp
