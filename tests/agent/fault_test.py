#!/usr/bin/env python3
"""The agent, the recorder and the master killed at every step of a job's life: each job is run once and ends once. Usage:
fault_test.py [NAME...]"""
from edge import *
import random

F = None
# Every point at which lib/agent kills itself when it is told to: before and after each thing that is written down.
POINTS = ["granted-before", "granted", "accepted-before", "accepted", "ready", "launching", "launching-started", "launched-before",
          "running", "ended-before", "ended", "told", "removed"]


def job_with_witness(a, seconds=1.2, **more):
    """A job that leaves a line for each time that it was started, and whose output says what it was."""
    witness = f"{a.folder}/witness-{random.randrange(1 << 40)}"
    script = f'echo started >>{witness}; sleep {seconds}; echo ended >>{witness}'
    id = F.submit(type="exec", params={"command": ["sh", "-c", script]}, **more)
    return id, witness


def check_one(point):
    a = F.agent(args=["--allow-exec"])
    id, witness = job_with_witness(a)
    a.start(fault=point)
    assert a.died(40) == -9, f"{point} was not reached: {a.errors()}"
    a.start()
    job = F.wait(id)
    # A grant that was not on disk yet is offered once more: another attempt, and nothing was started for the first.
    assert job["state"] == "succeeded", job
    assert lines_of(witness) == ["started", "ended"], (point, lines_of(witness))
    assert [t["state"] for t in F.attempts(id)].count("succeeded") == 1
    eventually(lambda: a.work_folders() == [] and a.node()["outbox"] == 0 and a.node()["jobs"] == [], 20)
    a.close()


def make_test(point):
    def test():
        check_one(point)
    test.__name__ = "test_killed_at_" + point.replace("-", "_")
    return test


for _point in POINTS:
    globals()["test_killed_at_" + _point.replace("-", "_")] = make_test(_point)


def test_killed_while_it_runs_and_away_until_after_its_end():
    a = F.agent(args=["--allow-exec"]).start()
    id, witness = job_with_witness(a, 1.5)
    eventually(lambda: lines_of(witness) == ["started"])
    a.kill()
    eventually(lambda: lines_of(witness) == ["started", "ended"])
    a.start()
    job = F.wait(id)
    assert job["state"] == "succeeded" and lines_of(witness) == ["started", "ended"], job
    a.close()


def test_restarts_are_invisible_to_a_running_job():
    a = F.agent(args=["--allow-exec"]).start()
    id, witness = job_with_witness(a, 6)
    eventually(lambda: lines_of(witness) == ["started"])
    pid = eventually(lambda: [r for r in a.runs() if r.get("state") == "running"])[0]["identity"]["pid"]
    for round in range(5):
        if round % 2:
            a.kill()
        else:
            a.stop()
        a.start()
    assert [r["identity"]["pid"] for r in a.runs() if r.get("state") == "running"] == [pid]
    assert F.wait(id)["state"] == "succeeded" and lines_of(witness) == ["started", "ended"]
    a.close()


def test_recorder_killed_while_the_agent_looks():
    a = F.agent(args=["--allow-exec"]).start()
    id = F.submit(type="transcode", input=in_folder(a, film(6)), output="o.mp4", params={"preset": "veryslow", "height": 480})
    run = eventually(lambda: [r for r in a.runs() if r.get("state") == "running"])[0]
    record = json.load(open(f"{a.jobs_dir}/jobs/{run['job_id']}/record.json"))
    os.kill(record["observer"]["pid"], signal.SIGKILL)
    # The work goes on, and its own report tells how it ended.
    job = F.wait(id, timeout=90)
    assert job["state"] == "succeeded", job
    assert len(F.artifact(id, "o.mp4")) > 1000
    a.close()


def test_workload_killed_from_outside_is_a_failure():
    a = F.agent(args=["--allow-exec"]).start()
    id, witness = job_with_witness(a, 30, max_attempts=1)
    run = eventually(lambda: [r for r in a.runs() if r.get("state") == "running"])[0]
    eventually(lambda: lines_of(witness) == ["started"])
    os.kill(run["identity"]["pid"], signal.SIGKILL)
    job = F.wait(id)
    assert job["state"] == "failed" and "SIGKILL" in job["reason"], job
    a.close()


def test_master_killed_and_back():
    a = F.agent(args=["--allow-exec"], slots=4).start()
    jobs = [job_with_witness(a, 0.8 + i / 4) for i in range(4)]
    eventually(lambda: all(lines_of(w) for _, w in jobs))
    F.master.kill()
    eventually(lambda: all(lines_of(w) == ["started", "ended"] for _, w in jobs))
    eventually(lambda: a.node()["outbox"] > 0)
    assert a.get("/ready")[0] == 200, "without a master it can work on"
    F.master.start()
    for id, witness in jobs:
        assert F.wait(id)["state"] == "succeeded" and lines_of(witness) == ["started", "ended"]
        eventually(lambda: a.node()["outbox"] == 0)
    a.close()


def test_everything_killed_in_random_order():
    a = F.agent(args=["--allow-exec"], slots=4).start()
    jobs = [job_with_witness(a, random.uniform(0.2, 1.5), max_attempts=20) for _ in range(24)]
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    until = time.time() + 20
    while time.time() < until:
        time.sleep(chance.uniform(0.1, 0.8))
        what = chance.random()
        if what < 0.6:
            a.kill()
            a.start(wait=False)
        elif what < 0.8:
            F.master.kill()
            time.sleep(chance.uniform(0, 0.5))
            F.master.start()
    for id, witness in jobs:
        job = F.wait(id, timeout=90)
        assert job["state"] == "succeeded", (seed, job)
        assert lines_of(witness) == ["started", "ended"], (seed, lines_of(witness), F.attempts(id))
        assert [t["state"] for t in F.attempts(id)].count("succeeded") == 1
    eventually(lambda: a.work_folders() == [], 30)
    assert all(r["state"] == "ended" for r in a.runs()), a.runs()
    a.close()


if __name__ == "__main__":
    main(globals())
