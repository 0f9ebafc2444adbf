#!/usr/bin/env python3
"""What happens to a master whose database suffers: full disk, damage, read-only, an outage, a clock set back, a backup under load."""
import calendar, hashlib, os, pwd, resource, signal, sqlite3, subprocess, sys, threading, time

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


def test_jobs_that_wait_for_others_survive_restart_and_backup():
    m = with_master().start()
    a = m.http()("POST", "/api/v1/jobs", {"jobs": [{"type": "t"}, {"type": "t", "after": ["@0"]}, {"type": "t", "after": ["@0", "@1"]}]})
    assert m.stop() == 0
    m.start()
    copy = m.folder + "/copy.db"
    assert subprocess.run([MASTER, "backup", copy, "--state-dir", m.state], timeout=60).returncode == 0
    n = m.node("edge", types=["t"])
    for id in a.json["ids"]:
        g = n.take()
        assert g["job"] == id
        n.result(g)
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


def all_ids(m):
    h, cursor, there = m.http(), "", set()
    while True:
        page = h("GET", "/api/v1/jobs?limit=1000" + (f"&cursor={cursor}" if cursor else "")).json
        there |= {j["id"] for j in page["jobs"]}
        cursor = page["next"]
        if not cursor:
            return there


def test_a_full_disk_answers_507_loses_nothing_and_is_got_over():
    # A file size limit is a full disk that needs no privilege (EFBIG for ENOSPC), and that can be lifted.
    m = with_master().start()
    unlimited = resource.prlimit(m.process.pid, resource.RLIMIT_FSIZE)
    limit = os.path.getsize(os.path.join(m.state, "master.db")) + 3_000_000
    n = m.node("edge", types=["t", "u"])
    running = m.http()("POST", "/api/v1/jobs", {"type": "u"}).json["id"]
    g = n.take()
    resource.prlimit(m.process.pid, resource.RLIMIT_FSIZE, (limit, unlimited[1]))
    h, accepted, refused = m.http(), [], None
    for i in range(4000):
        a = h("POST", "/api/v1/jobs", {"jobs": [{"type": "t", "params": {"x": "y" * 2000}}] * 10})
        if a.status != 201:
            refused = a
            break
        accepted += a.json["ids"]
    assert refused is not None and refused.status == 507, refused
    assert len(accepted) > 100 and m.process.poll() is None
    assert h("GET", "/health").status == 200 and h("GET", f"/api/v1/jobs/{accepted[0]}").status == 200, "it can be read and asked"
    # An upload that does not fit is refused in the same words.
    resource.prlimit(m.process.pid, resource.RLIMIT_FSIZE, unlimited)
    data = os.urandom(100_000)
    upload = h("POST", "/api/v1/jobs", {"type": "t", "inputs": [{"name": "in", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}]})
    assert upload.status == 201, "room again: it goes on without a restart"
    accepted.append(upload.json["id"])
    resource.prlimit(m.process.pid, resource.RLIMIT_FSIZE, (50_000, unlimited[1]))
    put = lambda: h("PATCH", f"/api/v1/jobs/{upload.json['id']}/inputs/in", data, {"Upload-Offset": "0"})
    assert put().status == 507
    resource.prlimit(m.process.pid, resource.RLIMIT_FSIZE, unlimited)
    assert put().json["state"] == "complete"
    assert n.result(g).status == 200
    m.kill()
    m.start()
    assert set(accepted) <= all_ids(m)
    assert m.http()("GET", f"/api/v1/jobs/{running}").json["state"] == "succeeded"
    end(m)


def test_a_read_only_database_is_named_and_not_served():
    m = with_master().start()
    m.http()("POST", "/api/v1/jobs", {"type": "t"})
    m.stop()
    path = os.path.join(m.state, "master.db")
    os.chmod(path, 0o400)
    argv = [MASTER, "--listen", "127.0.0.1:0", "--state-dir", m.state]
    if os.geteuid() == 0:  # root writes whatever the mode says
        entry = pwd.getpwnam("nobody")
        os.chmod(m.folder, 0o755)
        subprocess.run(["chown", "-R", f"{entry.pw_uid}:{entry.pw_gid}", m.state], check=True)
        argv[0] = shutil.copy(MASTER, m.folder)  # the checkout may be in a home that others cannot enter
        argv = ["setpriv", "--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--clear-groups"] + argv
    r = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert r.returncode == 1 and "read" in r.stderr and "master.db" in r.stderr and r.stderr.count("\n") == 1, r
    end(m)


def test_a_wall_clock_set_back_or_forward_an_hour_ends_no_lease():
    folder = scratch("wall")
    shift = folder + "/shift"
    open(shift, "w").write("0")
    m = Master(folder, config=CONFIG, env={"LD_PRELOAD": os.path.join(BUILD, "ffrtmp_wall_shift.so"), "FFRTMP_WALL_SHIFT": shift}).start()
    n, other, h = m.node("edge", types=["t"]), m.node("other", types=["u"]), m.http()
    id = h("POST", "/api/v1/jobs", {"type": "t"}).json["id"]
    g = n.take()
    for seconds in (-3600, 3600):
        open(shift, "w").write(str(seconds))
        until = time.time() + 5  # three leases
        while time.time() < until:
            assert [(c["job"], c["attempt"], c["action"]) for c in n.heartbeat([g]).json["commands"]] == [(id, 1, "run")]
            time.sleep(0.3)
        told = h("GET", f"/api/v1/jobs/{id}").json
        assert told["state"] == "running" and told["attempt"] == 1, told
        assert h("GET", f"/api/v1/nodes/{n.id}").json["state"] == "online"
        # The shift is real: the log's moments, which are the wall clock's, moved by it.
        m.node(f"late{seconds}")
        stamp = [line for line in m.errors().splitlines() if "node registered" in line][-1].split(" ")[0]
        moved = calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")) - time.time()
        assert abs(moved - seconds) < 60, (stamp, moved)
        # And time goes on: who is silent is given up, what is submitted is given out.
        eventually(lambda: h("GET", f"/api/v1/nodes/{other.id}").json["state"] == "offline", 20)
        new = h("POST", "/api/v1/jobs", {"type": "u"}).json["id"]
        other.heartbeat()
        assert other.take()["job"] == new
        other.result({"job": new, "attempt": 1})
    assert n.result(g).status == 200
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


def test_a_postgres_that_hangs_is_away_too():
    folder = scratch("hang")
    pg = Postgres(folder + "/pg")
    m = Master(folder, db=pg.database(), config=CONFIG).start()
    stopped = []
    try:
        id = m.http()("POST", "/api/v1/jobs", {"type": "t"}).json["id"]
        stopped = pg.processes()
        assert len(stopped) > 3
        [os.kill(p, signal.SIGSTOP) for p in stopped]
        began, answers = time.time(), []
        def one():
            answers.append(m.http(timeout=60)("POST", "/api/v1/jobs", {"type": "t"}))
        threads = [threading.Thread(target=one) for _ in range(40)]  # more than there are connections and workers
        [t.start() for t in threads]
        time.sleep(1)
        asked = time.time()
        assert m.http()("GET", "/health").status == 200 and time.time() - asked < 5
        [t.join(90) for t in threads]
        assert len(answers) == 40 and all(a.status == 503 and "retry-after" in a.headers for a in answers), answers[:3]
        assert time.time() - began < 85
        [os.kill(p, signal.SIGCONT) for p in stopped]
        stopped = []
        eventually(lambda: m.http()("GET", "/ready").status == 200, 60)
        assert m.http()("GET", f"/api/v1/jobs/{id}").status == 200
    finally:
        for p in stopped:
            os.kill(p, signal.SIGCONT)
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
        # An order given to one reaches the node that listens to the other at once.
        assert n.accept(got[0]).status == 200
        for verb in (f"jobs/{id}/pause", f"jobs/{id}/resume", f"jobs/{id}/cancel", f"nodes/{n.id}/drain"):
            n.heartbeat(got)
            heard, began = [], time.time()
            listens = n.copy()
            t = threading.Thread(target=lambda: heard.append(listens.post("lease", {"nonce": os.urandom(8).hex(), "max_jobs": 1, "wait_s": 40,
                                                                                    "free": dict(n.free, slots=0)}).json))
            t.start()
            eventually(lambda: b"ffrtmp_parked_polls 1\n" in a.http()("GET", "/metrics").raw, step=0.02)
            assert b.http()("POST", f"/api/v1/{verb}", {}).status == 200
            t.join(45)
            assert heard and heard[0]["heartbeat_now"] is True and time.time() - began < 30, (verb, heard, time.time() - began)
        assert [c["action"] for c in n.heartbeat(got).json["commands"]] == ["cancel"]
        leaders = lambda: sum(b"ffrtmp_leader 1\n" in m.http()("GET", "/metrics").raw for m in masters if m.process.poll() is None)
        eventually(lambda: leaders() == 1)
        leader = next(m for m in masters if b"ffrtmp_leader 1\n" in m.http()("GET", "/metrics").raw)
        leader.kill()
        eventually(lambda: leaders() == 1, 60)
    finally:
        [m.kill() for m in masters], pg.stop(), shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run_tests(globals(), sys.argv[1:]))
