# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# Type files: found in three folders, errors with line and column, dry runs that are shell commands.
# timeout: 120
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
export HOME=$TMP/home
mkdir -p home/.config/ffrtmp/types
mine=home/.config/ffrtmp/types
# Every type that comes with it is sound, listed and has a page.
for file in "$REPO"/types/*.toml; do
    name=$(basename "$file" .toml)
    expect 0 ffrtmp job --check "$file"
    expect 0 ffrtmp job show "$name"
    assert_contains "$out" "ffrtmp job $name"
done
assert_eq 20 "$(ffrtmp job list --json | jq length)" "types that come with it"
# One of mine, over one that comes with it.
cat >$mine/words.toml <<'T'
name = "words"
version = 2
summary = "Count words"
[inputs.text]
media = false
[outputs.count]
kind = "text"
[parameters]
times = { type = "integer", min = 1, max = 3, default = 1, help = "how often" }
loud = { type = "bool", default = false, help = "in capitals" }
list = { type = "list", items = "integer", default = [1, 2], help = "numbers" }
[[steps]]
args = ["printf", "{\"args\": \"%s\"}", "${text.name} ${times * 2} ${join(list, '+')}${loud ? ' LOUD' : ''}"]
stdout = "${count}"
[[verify]]
kind = "json"
T
echo hello >t.txt
expect 0 ffrtmp job words t.txt -p loud=yes -p list=4,5
json .out '.args == "t.txt 2 4+5 LOUD"' >/dev/null
sed 's/"words"/"hash"/' $mine/words.toml >$mine/other.toml
assert_eq 2 "$(ffrtmp job show hash --json | jq .version)" "mine wins"
rm $mine/other.toml
# broken WHERE TEXT SED: an edit that breaks the file, and what is said.
broken() {
    sed -E "$3" $mine/words.toml >b.toml
    expect 125 ffrtmp job --check b.toml
    assert_contains "$err" "b.toml:$1" "$3"
    assert_contains "$err" "$2" "$3"
}
broken 2: "did you mean version?" 's/^version/verson/'
broken 9:18 "no such type of parameter: intger" 's/"integer", min/"intger", min/'
broken 9: "did you mean default?" 's/times(.*)default/times\1defalt/'
broken 9: "a whole number from 1 to 3" 's/default = 1,/default = 7,/'
broken 13: "did you mean times?" 's/times \* 2/time * 2/'
broken 13: "a '}' is missing" 's/\$\{times \* 2\}/${times * 2/'
broken 13: "no such function: jon, did you mean join?" 's/join\(/jon(/'
broken 5: "an input's kind is" 's/^media = false/kind = "disk"/'
broken 16: "there are media, images" 's/kind = "json"/kind = "jsno"/'
broken 12:1 "needs args" 's/^args.*//'
printf 'name = "x\n' >b.toml
expect 125 ffrtmp job --check b.toml
assert_contains "$err" "b.toml:1:"
printf 'name = "x"\nsummary = "\303\274"\n' >b.toml
expect 125 ffrtmp job --check b.toml
assert_contains "$err" "b.toml:2:12"
# A broken file of mine does not keep the others from working.
echo 'name = 3' >$mine/zzz.toml
expect 0 ffrtmp job list
assert_contains "$err" "zzz.toml:1:"
# What a dry run prints is what a shell would run.
film in.mp4 1
expect 0 ffrtmp job transcode in.mp4 -o "a b.mp4" -p preset=ultrafast --dry-run
[ ! -e "a b.mp4" ] || fail "a dry run made something"
cp .out plan.sh
bash -e plan.sh
assert_lasts 1 "a b.mp4"
expect 0 ffrtmp job transcode in.mp4 -o x.mp4 --dry-run --json
json .out '.type == "transcode" and (.steps | length) == 1' >/dev/null
# Limits of run hold for a job; all of it is one workload inside them.
expect 0 ffrtmp job transcode in.mp4 -o y.mp4 --pids-max 64 --job-id "$TAG-l" -p preset=ultrafast
result "$TAG-l" '.receipt[0].limit == "pids.max"' >/dev/null
# The schema knows every key that a type of ours has.
python3 - "$REPO/docs/job-type.schema.json" <<'P'
import json, sys
schema = json.load(open(sys.argv[1]))
assert schema["$schema"].startswith("https://json-schema.org/") and "steps" in schema["properties"]
P
