#!/usr/bin/env python3
"""The cable between an agent and its master is pulled: the three partition cases, and answers that are lost. Usage:
network_test.py [NAME...]"""
from network import *

F = None


def job(a, seconds=None, **more):
    """Runs for so long; without a number until the file `go` is there."""
    witness = f"{a.folder}/w{time.time_ns()}"
    wait = f"sleep {seconds}" if seconds else f"while [ ! -e {a.folder}/go ]; do sleep 0.1; done"
    id = F.submit(type="exec", params={"command": ["sh", "-c", f"echo s >>{witness}; {wait}; echo e >>{witness}"]}, **more)
    eventually(lambda: os.path.exists(witness) and F.job(id)["state"] == "running")
    return id, lambda: open(witness).read().split()


def ended_well(a, id, ran, attempts=None):
    assert F.wait(id)["state"] == "succeeded" and ran() == ["s", "e"], (ran(), F.attempts(id))
    states = [t["state"] for t in F.attempts(id)]
    assert states.count("succeeded") == 1 and (attempts is None or len(states) == attempts), states
    eventually(lambda: a.work_folders() == [] and a.node()["outbox"] == 0 and a.node()["jobs"] == [], 40)


def test_back_before_the_lease_ends():
    a = F.outpost(args=["--allow-exec"], slots=1).start()
    id, ran = job(a, 4)
    pid = next(r for r in a.runs() if r["state"] == "running")["identity"]["pid"]
    a.cable.pull()
    time.sleep(1)  # of a lease of three
    a.cable.mend()
    eventually(lambda: a.node()["master_reached"], 60)
    assert [r["identity"]["pid"] for r in a.runs() if r["state"] == "running"] in ([pid], [])
    ended_well(a, id, ran, attempts=1)


def test_back_after_the_lease_and_the_job_still_runs():
    a = F.outpost(args=["--allow-exec"], slots=2).start()
    id, ran = job(a)
    pid = next(r for r in a.runs() if r["state"] == "running")["identity"]["pid"]
    a.cable.pull()
    eventually(lambda: F.job(id)["state"] == "queued", 30)
    eventually(lambda: not a.node()["master_reached"], 60)
    a.cable.mend()
    # It is taken up where it is: the same process, the same attempt, no second offer to the node that has it.
    eventually(lambda: F.job(id)["state"] == "running", 60)
    assert [r["identity"]["pid"] for r in a.runs() if r["state"] == "running"] == [pid]
    open(a.folder + "/go", "w").close()
    ended_well(a, id, ran, attempts=1)


def test_back_after_the_lease_and_the_job_has_ended():
    a = F.outpost(args=["--allow-exec"], slots=1).start()
    id, ran = job(a, 2)
    a.cable.pull()
    eventually(lambda: F.job(id)["state"] == "queued", 30)
    eventually(lambda: ran() == ["s", "e"])
    eventually(lambda: a.node()["outbox"] > 0, 60)
    a.cable.mend()
    ended_well(a, id, ran, attempts=1)


def test_back_after_another_node_has_begun_it():
    a = F.outpost(args=["--allow-exec"], slots=1).start()
    id, ran = job(a)
    a.cable.pull()
    eventually(lambda: F.job(id)["state"] == "queued", 30)
    b = F.outpost(args=["--allow-exec", "--output-root", a.folder], slots=1).start()
    eventually(lambda: F.job(id)["state"] == "running" and ran().count("s") == 2, 30)
    a.cable.mend()
    eventually(lambda: a.node()["master_reached"], 60)
    open(a.folder + "/go", "w").close()
    # Both may run; the first valid result counts, and once.
    assert F.wait(id)["state"] == "succeeded"
    for one in a, b:
        eventually(lambda: one.work_folders() == [] and one.node()["outbox"] == 0 and one.node()["jobs"] == [], 60)
    assert [t["state"] for t in F.attempts(id)].count("succeeded") == 1, F.attempts(id)
    assert all(r["state"] == "ended" for r in a.runs() + b.runs())


def test_answers_are_lost():
    a = F.outpost(args=["--allow-exec"], slots=2).start()
    id, ran = job(a, 1.5)
    film_id = F.submit(type="transcode", input=in_folder(a, film()), output="o.mp4", params={"height": 60, "preset": "ultrafast"})
    a.cable.deafen()
    eventually(lambda: ran() == ["s", "e"])
    time.sleep(2)
    a.cable.mend()
    # What was said and heard is said again: it counts once.
    ended_well(a, id, ran)
    assert F.wait(film_id)["state"] == "succeeded" and len(F.artifact(film_id, "o.mp4")) > 500
    assert [t["state"] for t in F.attempts(film_id)].count("succeeded") == 1


if __name__ == "__main__":
    if lacking():
        print(f"# no network tests: {lacking()}")
        sys.exit(0)
    main(globals(), kind=Field)
