#!/usr/bin/env python3
"""Databases that older masters wrote (tests/master/fixtures) are opened by this one, moved forward, and nothing in them is lost."""
import base64, glob, json, os, re, sqlite3, subprocess, sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
from fleet import *

# The fixtures' jobs ended long ago: nothing may be cleaned away, and nobody given up, while the test looks.
CONFIG = '[retention]\njobs = "876000h"\nevents = "876000h"\n[timers]\nrestart_grace = "10m"\n'


def versions():
    return sorted(int(re.search(r"schema-(\d+)\.json", name)[1]) for name in glob.glob(here + "/fixtures/schema-*.json"))


def load_sqlite(folder, version):
    state = folder + "/state"
    os.makedirs(state)
    db = sqlite3.connect(state + "/master.db")
    db.executescript(open(f"{here}/fixtures/schema-{version}.sqlite.sql").read())
    db.close()


def schema_of(m, pg, db):
    if db:
        return int(subprocess.run([pg.bin + "/psql", "-qtAX", db, "-c", "SELECT value FROM meta WHERE name = 'schema'"], check=True, capture_output=True, text=True).stdout)
    with sqlite3.connect(m.state + "/master.db") as connection:
        return connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()[0]


def same(now, then):
    """A job as it is shown now, as it was shown then: newer masters may say more."""
    for name, value in then.items():
        assert now.get(name) == value, (name, value, now.get(name))


def check(m, want):
    """Everything is there, and everything goes on."""
    m.key = want["admin"]
    h = m.http()
    for name, then in want["shown"].items():
        now = h("GET", f"/api/v1/jobs/{then['id']}")
        assert now.status == 200, (name, now)
        same(now.json, then)
    done, running = want["jobs"]["done"], want["running"]
    assert h("GET", f"/api/v1/jobs/{done}/logs").raw == b"first line\nsecond line\n"
    assert h("GET", f"/api/v1/jobs/{done}/artifacts/out.bin").raw == base64.b64decode(want["artifact"]["bytes"])
    kinds = [e["kind"] for e in h("GET", "/api/v1/events?limit=1000").json["events"]]
    assert kinds[:len(want["events"])] == want["events"], kinds
    assert want["key"]["id"] in [k["id"] for k in h("GET", "/api/v1/keys").json["keys"]]
    submitter = m.http(want["key"]["key"])
    fresh = submitter("POST", "/api/v1/jobs", {"type": "t"})
    assert fresh.status == 201 and fresh.json["tenant"] == "studio"
    newest = max(int(i[1:].split("-")[0]) for id in want["jobs"].values() for i in ([id] if isinstance(id, str) else id))
    assert int(fresh.json["id"][1:].split("-")[0]) > newest, "numbers go on"
    assert want["webhook"]["url"] in [w["url"] for w in h("GET", "/api/v1/webhooks").json["webhooks"]]
    assert "transcode" in [t["name"] for t in h("GET", "/api/v1/types").json["types"]]
    # The agents of that time go on with their tokens, their jobs and what waits for those.
    id, token = want["nodes"]["edge-1"]
    n = Node.__new__(Node)
    n.master, n.id, n.token, n.session, n.boot, n.beat, n.http = m, id, token, "new", "boot", 0, m.http(token)
    n.free = {"cores": 8, "memory_bytes": 1 << 34, "disk_bytes": 1 << 40}
    beat = n.heartbeat([running])
    assert beat.status == 200 and beat.json["commands"][0]["action"] == "run", beat
    assert n.result(running, result={"frames": 1}).status == 200
    assert h("GET", f"/api/v1/jobs/{running['job']}").json["state"] == "succeeded"
    later = h("POST", "/api/v1/jobs", {"type": "t", "after": [want["jobs"]["waits"]]}).json["id"]
    assert "waits for" in h("GET", f"/api/v1/jobs/{later}/why").json["why"]
    got = {g["job"] for g in n.lease(most=8)}
    assert set(want["jobs"]["array"]) | {want["jobs"]["waits"]} <= got, got


def run(backend, version):
    folder = scratch(f"schema{version}")
    pg = Postgres(folder + "/pg") if backend == "postgres" else None
    db = pg.database() if pg else None
    m = None
    try:
        want = json.load(open(f"{here}/fixtures/schema-{version}.json"))[backend]
        if db:
            subprocess.run([pg.bin + "/psql", "-qX", "-v", "ON_ERROR_STOP=1", db, "-f", f"{here}/fixtures/schema-{version}.{backend}.sql"], check=True, capture_output=True)
        else:
            load_sqlite(folder, version)
        m = Master(folder, db=db, config=CONFIG)
        place = f"{m.state}/blobs/{want['artifact']['place']}"
        os.makedirs(os.path.dirname(place))
        open(place, "wb").write(base64.b64decode(want["artifact"]["bytes"]))
        if version < current_version():
            assert schema_of(m, pg, db) == version
        m.start()
        check(m, want)
        assert m.stop() == 0
        assert schema_of(m, pg, db) == current_version()
        # And once more, with something of everything in it: nothing is moved twice, nothing sound is taken for damage.
        m.start()
        assert m.http(want["admin"])("GET", "/ready").status == 200
    finally:
        if m:
            m.kill()
        if pg:
            pg.stop()
        shutil.rmtree(folder, ignore_errors=True)


_current = []


def current_version():
    """What this master writes."""
    if not _current:
        m = Master(scratch("fresh")).start()
        m.stop()
        _current.append(schema_of(m, None, None))
        shutil.rmtree(m.folder)
    return _current[0]


def test_every_schema_before_this_one_has_a_fixture():
    assert versions()[:current_version() - 1] == list(range(1, current_version())), versions()


for _version in versions():
    for _backend in ("sqlite", "postgres"):
        globals()[f"test_schema_{_version}_of_{_backend}_is_moved_forward"] = lambda b=_backend, v=_version: run(b, v)

if __name__ == "__main__":
    sys.exit(run_tests(globals(), sys.argv[1:]))
