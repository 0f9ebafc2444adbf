# shellcheck shell=bash
# variants: user
#
# What a user manager is not given: the receipt says so and names the remedy; --require refuses.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

ffrtmp run --job-id u --io-max "$PWD wbps=1M" --io-weight 50 --cpuset 0 --memory-max 50M -d -- sleep 100 2>err
ffrtmp status --json u >u.json
assert_eq enforced "$(row u.json memory.max .strength)"
assert_eq none "$(row u.json io.max .strength)"
assert_eq null "$(jq '.receipt.limits[] | select(.limit == "io.max") | .effective' u.json)" "effective io.max"
for limit in io.weight cpuset.cpus; do assert_eq advisory "$(row u.json $limit .strength)" $limit; done
for limit in io.max io.weight cpuset.cpus; do
    grep -q 'user@.service drop-in' <<<"$(row u.json $limit .why)" || fail "$limit: $(row u.json $limit .why)"
done
grep -q '^! io.max' err || fail "the table: $(cat err)"
assert_eq 0 "$(sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$(job_pid u)/status")" "affinity in place of the cpuset"

for require in io.max io.max,memory.max all; do
    code=0
    ffrtmp run --require $require --io-max "$PWD wbps=1M" --memory-max 50M -- touch "$PWD/started" 2>err || code=$?
    assert_eq "125 1" "$code $(wc -l <err)" "--require $require: $(cat err)"
    [ ! -e started ] || fail "--require $require: started all the same"
done
ffrtmp run -q --require memory.max --io-max "$PWD wbps=1M" --memory-max 50M -- touch "$PWD/started"
[ -e started ] || fail "--require memory.max refused what can be had"
