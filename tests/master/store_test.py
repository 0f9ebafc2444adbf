#!/usr/bin/env python3
"""What happens to a master whose database suffers: full disk, damage, read-only, an outage, a clock set back, a backup under load."""
import os, sqlite3, subprocess, sys, threading, time, traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fleet import *

CONFIG = '[timers]\nheartbeat_min = "500ms"\nrestart_grace = "2s"\n[limits]\nrequests_per_second = 0\n'


def with_master(**more):
    folder = scratch("store")
    return Master(folder, config=CONFIG, **more)


def end(m):
    m.kill()
    shutil.rmtree(m.folder, ignore_errors=True)


def test_first_start_gives_tls_and_one_key():
    m = with_master().start()
    text = open(m.folder + "/out").read()
    assert text.count("ffk_") == 1
    for name in ("tls/ca.key", "tls/server.key", "admin.key", "master.db"):
        assert os.stat(os.path.join(m.state, name)).st_mode & 0o077 == 0, name
    pin = m.pin
    m.stop(), m.start()
    assert m.pin == pin and "ffk_" not in open(m.folder + "/out").read()
    end(m)


def test_two_masters_on_one_sqlite_file_are_refused():
    m = with_master().start()
    r = subprocess.run([MASTER, "--listen", "127.0.0.1:0", "--state-dir", m.state], capture_output=True, text=True, timeout=30)
    assert r.returncode == 1 and "another master" in r.stderr, r
    end(m)


def test_backup_under_load_is_whole():
    m = with_master().start()
    stop = []
    def load():
        h = m.http()
        while not stop:
            h("POST", "/api/v1/jobs", {"jobs": [{"type": "t"}] * 20})
    threads = [threading.Thread(target=load) for _ in range(3)]
    [t.start() for t in threads]
    time.sleep(1)
    copy = m.folder + "/copy.db"
    r = subprocess.run([MASTER, "backup", copy, "--state-dir", m.state], capture_output=True, text=True, timeout=60)
    stop.append(1)
    [t.join() for t in threads]
    assert r.returncode == 0, r
    m.kill()
    db = sqlite3.connect(copy)
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    jobs, events = db.execute("SELECT count(*) FROM jobs").fetchone()[0], db.execute("SELECT count(*) FROM events WHERE kind = 'job.submitted'").fetchone()[0]
    assert jobs == events > 0 and jobs % 20 == 0
    db.close()
    for name in ("master.db", "master.db-wal", "master.db-shm"):
        if os.path.exists(os.path.join(m.state, name)):
            os.unlink(os.path.join(m.state, name))
    shutil.copy(copy, os.path.join(m.state, "master.db"))
    m.start()
    assert len(m.http()("GET", "/api/v1/jobs?limit=1000").json["jobs"]) == min(1000, jobs)
    end(m)


def test_a_damaged_database_is_named_and_not_served():
    m = with_master().start()
    m.http()("POST", "/api/v1/jobs", {"jobs": [{"type": "t"}] * 500})
    m.stop()
    with open(os.path.join(m.state, "master.db"), "r+b") as f:
        f.seek(8192)
        f.write(os.urandom(60000))
    m.start(wait=False)
    assert m.process.wait(30) == 1
    assert "checking the database" in m.errors() or "malformed" in m.errors(), m.errors()
    end(m)


def test_a_newer_schema_is_refused():
    m = with_master().start()
    m.stop()
    db = sqlite3.connect(os.path.join(m.state, "master.db"))
    db.execute("UPDATE meta SET value = 99 WHERE name = 'schema'")
    db.commit(), db.close()
    m.start(wait=False)
    assert m.process.wait(30) == 1 and "schema 99" in m.errors()
    end(m)


def test_a_full_disk_answers_507_and_loses_nothing():
    # A file size limit is a full disk that needs no privilege: SQLite sees EFBIG as SQLITE_FULL or an I/O error.
    folder = scratch("full")
    m = Master(folder, config=CONFIG)
    m.start(), m.stop()
    import resource
    inner = subprocess.Popen
    limit = os.path.getsize(os.path.join(m.state, "master.db")) + 3_000_000
    def limited(*a, **k):
        return inner(*a, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)), **k)
    subprocess.Popen = limited
    try:
        m.start()
    finally:
        subprocess.Popen = inner
    h, accepted, refused = m.http(), [], None
    for i in range(4000):
        a = h("POST", "/api/v1/jobs", {"jobs": [{"type": "t", "params": {"x": "y" * 2000}}] * 10})
        if a.status == 201:
            accepted += a.json["ids"]
        else:
            refused = a
            break
    assert refused is not None and refused.status in (507, 503, 500), refused
    assert m.process.poll() is None
    m.kill()
    m.start()
    h, cursor, there = m.http(), "", set()
    while True:
        page = h("GET", "/api/v1/jobs?limit=1000" + (f"&cursor={cursor}" if cursor else "")).json
        there |= {j["id"] for j in page["jobs"]}
        cursor = page["next"]
        if not cursor:
            break
    assert set(accepted) <= there and len(accepted) > 100, (len(accepted), len(there))
    end(m)


def test_postgres_outage_answers_503_and_loses_nothing():
    folder = scratch("outage")
    pg = Postgres(folder + "/pg")
    m = Master(folder, db=pg.database(), config=CONFIG).start()
    try:
        n = m.node("edge", types=["t"])
        id = m.http()("POST", "/api/v1/jobs", {"type": "t"}).json["id"]
        g = n.take()
        pg.stop()
        a = m.http()("POST", "/api/v1/jobs", {"type": "t"})
        assert a.status == 503 and "retry-after" in a.headers, a
        assert m.http(timeout=60)("GET", "/health").status == 200
        assert eventually(lambda: m.http()("GET", "/ready").status == 503)
        time.sleep(4)  # longer than the lease
        pg.start()
        eventually(lambda: m.http()("GET", "/ready").status == 200, 60)
        eventually(lambda: n.heartbeat([g]).status == 200)
        time.sleep(1.5)
        n.heartbeat([g])
        job = m.http()("GET", f"/api/v1/jobs/{id}").json
        assert job["state"] == "running" and job["attempt"] == 1, job
        assert n.result(g).status == 200
    finally:
        m.kill(), pg.stop(), shutil.rmtree(folder, ignore_errors=True)


def test_two_masters_wake_each_others_polls():
    folder = scratch("two")
    pg = Postgres(folder + "/pg")
    db = pg.database()
    masters = []
    for i in range(2):
        os.makedirs(f"{folder}/m{i}")
        masters.append(Master(f"{folder}/m{i}", db=db, config=CONFIG, state=folder + "/shared").start())
    a, b = masters
    b.key = a.key
    try:
        n, got = a.node("edge", types=["t"]), []
        t = threading.Thread(target=lambda: got.extend(n.lease(wait=40)))
        t.start()
        eventually(lambda: b"ffrtmp_parked_polls 1\n" in a.http()("GET", "/metrics").raw)
        id = b.http()("POST", "/api/v1/jobs", {"type": "t"}).json["id"]
        t.join(45)
        assert got and got[0]["job"] == id
        leaders = lambda: sum(b"ffrtmp_leader 1\n" in m.http()("GET", "/metrics").raw for m in masters if m.process.poll() is None)
        eventually(lambda: leaders() == 1)
        leader = next(m for m in masters if b"ffrtmp_leader 1\n" in m.http()("GET", "/metrics").raw)
        leader.kill()
        eventually(lambda: leaders() == 1, 60)
    finally:
        [m.kill() for m in masters], pg.stop(), shutil.rmtree(folder, ignore_errors=True)


def main():
    passed = failed = 0
    for name, test in [(n, t) for n, t in globals().items() if n.startswith("test_")]:
        if sys.argv[1:] and not any(o in name for o in sys.argv[1:]):
            continue
        try:
            test()
            passed += 1
            print(f"ok {name[5:]}", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {name[5:]}\n{traceback.format_exc()}", flush=True)
    print(f"# {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
