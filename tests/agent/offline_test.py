#!/usr/bin/env python3
"""Three days without a master: the agent's clocks go at some thousand times the speed meanwhile. Usage: offline_test.py [NAME...]"""
from edge import *
import hashlib, sqlite3

F = None
DAYS_AWAY, SPEED = 3, 7200
OUTBOX = 12 << 10
QUIET = QUICK.replace('heartbeat_min = "900ms"', 'heartbeat_min = "5s"')  # as in a fleet, or three days are two million tries


class Clock:
    """The clock of an agent, which this test turns."""
    def __init__(self, folder):
        self.path = folder + "/clock"
        self.real, self.shown, self.speed = self.boot(), self.boot(), 1
        self.write()

    def boot(self):
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def now(self):
        return self.shown + (self.boot() - self.real) * self.speed

    def turn(self, speed):
        self.shown, self.real, self.speed = self.now(), self.boot(), speed
        self.write()

    def write(self):
        # In one piece: it is read at every look at the clock.
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb", buffering=0) as f:
            f.write(f"{self.real:.6f} {self.shown:.6f} {self.speed:8d}".encode())

    def env(self):
        return {"LD_PRELOAD": os.path.join(BUILD, "ffrtmp_fast_clock.so"), "FFRTMP_FAST_CLOCK": self.path}


def script_job(a, after, **more):
    """Prints a lot, and ends when the file `after` is there."""
    witness = f"{a.folder}/witness-{time.time_ns()}"
    script = (f"echo started >>{witness}; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo a line that somebody may read, number $i; done; "
              f"while [ ! -e {after} ]; do sleep 0.05; done; echo ended >>{witness}")
    return F.submit(type="exec", params={"command": ["sh", "-c", script]}, max_attempts=2, **more), witness


def outbox_of(a):
    """What waits on the disk: items, and bytes of them."""
    with contextlib.closing(sqlite3.connect(f"file:{a.state}/agent.db?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM outbox").fetchone()


def test_three_days_without_a_master():
    a = F.agent(args=["--allow-exec"], slots=24, config=f'outbox-bytes = "{OUTBOX >> 10}K"\n')
    clock = Clock(a.folder)
    a.extra = clock.env()
    a.start()
    first, late = a.folder + "/go-first", a.folder + "/go-late"
    early = [script_job(a, first) for _ in range(12)]
    films = [F.submit(type="transcode", input=in_folder(a, film(12, "320x240")), output="o.mp4", params={"preset": "veryslow", "height": 480})
             for _ in range(2)]
    impatient = script_job(a, late, offline={"stop_locally_after_s": 30 * 3600})
    patient = script_job(a, late, offline={"stop_locally_after_s": 20 * 86400})
    eventually(lambda: all(lines_of(w) == ["started"] for _, w in early + [impatient, patient]), 60)
    eventually(lambda: all(F.job(id)["state"] == "running" for id in films), 60)
    F.master.kill()
    left = clock.now()
    hours = lambda: (clock.now() - left) / 3600
    clock.turn(SPEED)
    a.kill()  # with timers of the speed before; and the agent's death is nothing new
    a.start()
    open(first, "w").close()
    eventually(lambda: a.node()["outbox"] >= len(early), 60)
    # It dies once more. The silence goes on being counted from where it began, not from here.
    eventually(lambda: hours() > 24, 60)
    a.kill()
    a.start()
    eventually(lambda: lines_of(impatient[1]) == ["started"] and not [r for r in a.runs() if r["state"] == "running" and impatient[0] in r["job_id"]], 60)
    gave_up = hours()
    assert gave_up < 24 + 30 - 4, f"gave up after {gave_up} h of 30"
    eventually(lambda: hours() > DAYS_AWAY * 24, 120)
    clock.turn(1)
    # Nothing has grown that nobody empties: lean results in place of whole ones, one line for all tries, one database.
    items, size = outbox_of(a)
    assert items >= len(early) + 1, items
    assert size < OUTBOX + (items + 1) * 2048 + 16384, (items, size)
    assert sum(os.path.getsize(f"{a.state}/{name}") for name in os.listdir(a.state) if name.startswith("agent.db")) < 4 << 20
    tries = open(a.log, errors="replace").read().count("no word from a master")
    assert 1 <= tries <= 9, f"{tries} lines of a master that is away, in three lives"
    assert lines_of(patient[1]) == ["started"], "a job that may wait does"
    print(f"# {hours():.0f} h away: {items} items of {size} bytes wait; gave up after {gave_up:.0f} h")

    # The master comes back, and for it three days have passed as well.
    with open(F.folder + "/shift", "w") as f:
        f.write(str(int(hours() * 3600)))
    F.master.extra = {"LD_PRELOAD": os.path.join(BUILD, "ffrtmp_wall_shift.so"), "FFRTMP_WALL_SHIFT": F.folder + "/shift"}
    F.master.start()
    began = time.time()
    eventually(lambda: a.node()["master_reached"], 60)
    print(f"# back {time.time() - began:.1f} s after the master")
    for id, witness in early:
        assert F.wait(id)["state"] == "succeeded" and lines_of(witness) == ["started", "ended"], F.attempts(id)
    for id in films:
        job = F.wait(id, timeout=120)
        assert job["state"] == "succeeded", job
        page = F.master.http()("GET", f"/api/v1/jobs/{id}/artifacts").json["files"]
        assert [hashlib.sha256(F.artifact(id, f["name"])).hexdigest() for f in page] == [f["sha256"] for f in page] and len(page) == 1, page
    assert F.wait(impatient[0])["state"] == "cancelled", F.job(impatient[0])
    assert lines_of(patient[1]) == ["started"]
    open(late, "w").close()
    assert F.wait(patient[0])["state"] == "succeeded" and lines_of(patient[1]) == ["started", "ended"], F.attempts(patient[0])
    for id in [id for id, _ in early + [patient]] + films:
        assert [t["state"] for t in F.attempts(id)].count("succeeded") == 1, F.attempts(id)
    eventually(lambda: a.work_folders() == [] and a.node()["outbox"] == 0 and a.node()["jobs"] == [], 60)
    assert outbox_of(a) == (0, 0) and all(r["state"] == "ended" for r in a.runs()), a.runs()
    a.close()


if __name__ == "__main__":
    main(globals(), QUIET)
