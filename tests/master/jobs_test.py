"""What becomes of a job: from submit to its result, through failures, cancels, lost nodes and stale fences."""
import concurrent.futures, hashlib, os, threading, time

from context import *


def test_a_job_runs_from_submit_to_result_D4():
    n, id = node(), submit(params={"crf": 23})
    g = n.take()
    assert g["job"] == id and g["spec"]["params"] == {"crf": 23}
    n.heartbeat([dict(g, progress={"percent": 40}, mark=4)])
    assert job(id)["progress"] == {"percent": 40} and job(id)["state"] == "running"
    assert n.result(g, result={"frames": 100}).json["jobs"][0]["state"] == "succeeded"
    assert job(id)["result"] == {"frames": 100}
    kinds = [e["kind"] for e in the.master.http()("GET", f"/api/v1/jobs/{id}/history").json["history"]]
    assert kinds == ["job.submitted", "job.offered", "job.running", "job.succeeded"], kinds


def test_batch_array_and_dependencies_inside_a_request():
    a = the.master.http()("POST", "/api/v1/jobs", {"jobs": [{"type": the.type}, {"type": the.type, "after": ["@0"]}, {"type": the.type, "count": 3}]})
    assert a.status == 201 and len(a.json["ids"]) == 5, a
    first, second = a.json["ids"][:2]
    n = node()
    grants = n.lease(most=8)
    assert len(grants) == 4 and second not in [g["job"] for g in grants]
    assert "waits for" in the.master.http()("GET", f"/api/v1/jobs/{second}/why").json["why"]
    for g in grants:
        n.accept(g), n.result(g)
    assert n.take()["job"] == second


def test_dependents_of_a_failure_are_cancelled():
    a = submit(max_attempts=1)
    b = submit(after=[a])
    c = submit(after=[b])
    n = node()
    g = n.take()
    n.result(g, "failed", **{"class": "input", "reason": "no such file"})
    assert job(a)["state"] == "failed" and job(b)["state"] == "cancelled" and job(c)["state"] == "cancelled"
    again = the.master.http()("POST", "/api/v1/jobs", {"type": the.type, "after": [a]})
    assert again.status == 422 and "after" in again.json["errors"][0]["field"], again


def test_failed_attempts_retry_elsewhere_then_fail():
    one, two, id = node(), node(), submit(max_attempts=2)
    g = one.take()
    one.result(g, "failed", reason="crashed", **{"class": "unknown"})
    assert job(id)["state"] == "queued" and job(id)["failures"] == 1
    time.sleep(0.2)
    assert one.lease() == [], "the node on which it failed gets it again"
    g2 = two.take()
    assert g2["attempt"] == 2
    two.result(g2, "failed", reason="crashed again")
    assert job(id)["state"] == "failed" and "crashed again" in job(id)["reason"]
    assert the.master.http()("POST", f"/api/v1/jobs/{id}/retry", {}).json["state"] == "queued"
    assert len(the.master.http()("GET", f"/api/v1/jobs/{id}/attempts").json["attempts"]) == 2


def test_input_and_parameter_failures_are_not_retried():
    n, id = node(), submit(max_attempts=5)
    n.result(n.take(), "failed", **{"class": "input"})
    assert job(id)["state"] == "failed"


def test_cancel_reaches_the_node_D2_D22_D24():
    n, id = node(), submit()
    g = n.take()
    began = time.time()
    assert the.master.http()("POST", f"/api/v1/jobs/{id}/cancel", {"reason": "wrong file"}).status == 200
    assert the.master.http()("GET", "/ready").status == 200 and time.time() - began < 20
    commands = n.heartbeat([g]).json["commands"]
    assert commands[0]["action"] == "cancel" and commands[0]["job"] == id, commands
    assert n.heartbeat([g]).json["commands"][0]["action"] == "cancel", "a command that was lost with its answer is told again"
    n.result(g, "cancelled")
    assert job(id)["state"] == "cancelled"
    waiting = submit()
    the.master.http()("POST", f"/api/v1/jobs/{waiting}/cancel", {})
    assert job(waiting)["state"] == "cancelled"


def test_pause_and_resume_reach_the_node_D16():
    n, id = node(), submit(run_timeout_s=0.4)
    g = n.take()
    the.master.http()("POST", f"/api/v1/jobs/{id}/pause", {})
    assert n.heartbeat([g]).json["commands"][0]["action"] == "pause"
    for _ in range(6):
        time.sleep(0.2)
        n.heartbeat([g])
    assert job(id)["state"] == "running", "a paused job's clock stands still"
    the.master.http()("POST", f"/api/v1/jobs/{id}/resume", {})
    assert n.heartbeat([g]).json["commands"][0]["action"] == "run"
    held = submit()
    the.master.http()("POST", f"/api/v1/jobs/{held}/pause", {})
    assert n.lease() == [] and "paused" in the.master.http()("GET", f"/api/v1/jobs/{held}/why").json["why"]


def test_logs_are_kept_by_offset_D5():
    n, id = node(), submit()
    g = n.take()
    put = lambda offset, text: n.http("POST", f"/api/v1/jobs/{id}/logs?attempt=1&offset={offset}", text)
    assert put(0, "one\n").json["next"] == 4
    wrong = put(2, "two\n")
    assert wrong.status == 409 and wrong.json["next"] == 4
    put(4, "to rtmp://live.example/app/SECRETKEY ok\n"), put(44, "unfinish")
    got = the.master.http()("GET", f"/api/v1/jobs/{id}/logs")
    assert b"one\nto rtmp://live.example/app/*** ok\n" == got.raw, got.raw
    n.result(g, "failed")
    assert b"unfinish" in the.master.http()("GET", f"/api/v1/jobs/{id}/logs").raw, "the log of a failed attempt is kept"
    assert put(52, "late").status == 409, "the fence stands before logs too"


def test_fences_hold_D6():
    one, two, id = node(), node(), submit()
    g = one.take()
    assert two.result(g).status == 409, "a stranger's result"
    assert two.accept(g).status == 409
    assert one.result(dict(g, attempt=7)).status == 409
    assert one.result(g).status == 200 and one.result(g).json["jobs"][0]["duplicate"]
    late = one.result(g, "failed")
    assert late.status == 409 and late.json["state"] == "succeeded", late
    assert job(id)["state"] == "succeeded"


def test_long_jobs_run_once_D7_D26():
    n, id = node(), submit()
    g = n.take()
    for mark in range(8):
        time.sleep(0.4)
        n.heartbeat([dict(g, mark=mark, progress={})])
    assert job(id)["state"] == "running" and job(id)["attempt"] == 1
    n.result(g)


def test_master_restart_declares_nobody_dead_D8():
    n, id = node(), submit()
    g = n.take()
    the.master.kill()
    time.sleep(2.5)  # longer than the node's lease
    the.master.start()
    time.sleep(0.5)
    n.http.close()
    n.heartbeat([g])
    time.sleep(1)
    n.heartbeat([g])
    assert job(id)["attempt"] == 1 and job(id)["state"] == "running"
    assert n.result(g).status == 200


def test_all_jobs_of_a_node_live_by_one_heartbeat_D9():
    n = node()
    ids = [submit() for _ in range(3)]
    grants = n.lease(most=3)
    for g in grants:
        assert n.accept(g).status == 200
    for _ in range(8):
        time.sleep(0.4)
        n.heartbeat(grants)
    assert all(job(i)["state"] == "running" and job(i)["attempt"] == 1 for i in ids)


def test_offers_that_nobody_accepts_return():
    n, id = node(), submit()
    g = n.lease()[0]
    state_is(id, "queued")
    assert n.accept(g).status == 409
    n.heartbeat()
    assert n.take()["attempt"] == 2


def test_who_was_given_up_speaks_before_it_gets_work():
    n, id = node(), submit()
    g = n.take()
    silent = lambda wait: n.copy().post("lease", {"nonce": os.urandom(8).hex(), "max_jobs": 1, "wait_s": wait, "free": dict(n.free, slots=1)})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        parked = pool.submit(silent, 20)
        state_is(id, "queued")
        # Neither over the poll that was parked before it fell silent, nor over a new one.
        assert parked.result(30).json["grants"] == [] and parked.result().json["closed"] == "offline"
    assert silent(0).json["grants"] == []
    assert job(id)["state"] == "queued" and job(id)["attempt"] == 1
    n.heartbeat([g])
    assert job(id)["state"] == "running" and n.result(g).status == 200
    assert n.lease() == []


def test_a_parked_poll_tells_of_commands():
    n, id = node(), submit()
    g = n.take()
    http, verbs = the.master.http(), [f"jobs/{id}/pause", f"jobs/{id}/resume", f"jobs/{id}/cancel", f"nodes/{n.id}/drain"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for verb in verbs:
            n.heartbeat([g])
            parked = pool.submit(n.copy().post, "lease", {"nonce": os.urandom(8).hex(), "max_jobs": 1, "wait_s": 20, "free": dict(n.free, slots=0)})
            eventually(lambda: b"ffrtmp_parked_polls 1\n" in http("GET", "/metrics").raw, step=0.02)
            assert http("POST", f"/api/v1/{verb}", {}).status == 200
            answer = parked.result(15).json
            assert answer["heartbeat_now"] is True and answer["grants"] == [], (verb, answer)
    assert [c["action"] for c in n.heartbeat([g]).json["commands"]] == ["cancel"]


def test_a_job_whose_files_are_on_their_way_has_met_its_deadlines():
    # Its node speaks often: what ends it is its own clock.
    n, limits = node(), {"run_timeout_s": 2, "progress_timeout_s": 2, "max_attempts": 1}
    delivered, plain = submit(**limits), submit(**limits)
    first, second = n.take(), n.take()
    if first["job"] != delivered:
        first, second = second, first
    until = time.time() + 6
    while time.time() < until:
        n.heartbeat([dict(first, delivering=True, progress={"delivering": {"items": 2, "trouble": "the store is away"}}),
                     *([second] if job(plain)["state"] == "running" else [])])
        time.sleep(0.1)
    assert job(delivered)["state"] == "running" and job(delivered)["attempt"] == 1, job(delivered)
    assert job(plain)["state"] == "failed", job(plain)
    why = the.master.http()("GET", f"/api/v1/jobs/{delivered}/why").json["why"]
    assert "delivers" in why and "the store is away" in why, why
    assert n.result(first).json["jobs"][0]["state"] == "succeeded"


def test_results_are_stored_whole_D18():
    n, id = node(), submit()
    document = {"outcome": "exited", "usage": {"cpu_user_s": 1.5}, "text": "ü" * 1000}
    n.result(n.take(), result=document)
    assert job(id)["result"] == document


def test_numbers_of_deleted_jobs_are_not_reused_D21():
    id = submit()
    the.master.http()("POST", f"/api/v1/jobs/{id}/cancel", {})
    assert the.master.http()("DELETE", f"/api/v1/jobs/{id}").status == 200
    assert the.master.http()("GET", f"/api/v1/jobs/{id}").status == 404
    assert int(submit()[1:].split("-")[0]) > int(id[1:].split("-")[0])


def test_late_results_of_lost_nodes_are_adopted_once():
    one, two, id = node(), node(), submit()
    g = one.take()
    state_is(id, "queued")
    two.heartbeat([])
    g2 = eventually(lambda: two.lease())[0]
    two.accept(g2)
    won = one.result(g)
    assert won.status == 200 and won.json["jobs"][0]["adopted"], won
    assert two.heartbeat([g2]).json["commands"][0]["action"] == "stop"
    assert two.result(g2).status == 409
    assert job(id)["state"] == "succeeded" and job(id)["node"] == one.id


def test_a_node_that_returns_before_its_job_was_given_away_keeps_it():
    n, id = node(), submit(not_before="2020-01-01T00:00:00Z")
    g = n.take()
    state_is(id, "queued")
    n.heartbeat([g])
    assert job(id)["state"] == "running" and job(id)["attempt"] == 1
    assert n.result(g).status == 200


def test_replace_never_leaves_the_job_where_it_is():
    n, id = node(), submit(offline={"replace": "never"})
    g = n.take()
    eventually(lambda: the.master.http()("GET", f"/api/v1/nodes/{n.id}").json["state"] == "offline")
    time.sleep(1)
    assert job(id)["state"] == "running"
    assert n.result(g).status == 200


def test_stalled_jobs_and_overlong_runs_end():
    n = node()
    stalled = submit(progress_timeout_s=0.6, max_attempts=1)
    g = n.take()
    for _ in range(20):
        n.heartbeat([dict(g, mark=7, progress={})])
        if job(stalled)["state"] != "running":
            break
        time.sleep(0.3)
    assert job(stalled)["state"] == "failed" and "progress" in job(stalled)["reason"]
    long = submit(run_timeout_s=0.3)
    g = n.take()
    for _ in range(20):
        n.heartbeat([g])
        if job(long)["state"] != "running":
            break
        time.sleep(0.2)
    assert job(long)["state"] == "failed" and "longer" in job(long)["reason"]


def test_the_files_of_a_job_are_the_winners():
    one, two, id, h = node(), node(), submit(), the.master.http()
    def upload(n, attempt, data, whole=True):
        sha = hashlib.sha256(data).hexdigest()
        n.http("PUT", f"/api/v1/jobs/{id}/artifacts/out.bin?attempt={attempt}", {"size": len(data), "sha256": sha})
        n.http("PATCH", f"/api/v1/jobs/{id}/artifacts/out.bin?attempt={attempt}", data if whole else data[:-1], {"Upload-Offset": "0"})
        return [{"name": "out.bin", "size": len(data), "sha256": sha}]
    listed = lambda query="": [(f["attempt"], f["state"]) for f in h("GET", f"/api/v1/jobs/{id}/artifacts{query}").json["files"]]
    g = one.take()
    upload(one, 1, b"half of the first's", whole=False)
    state_is(id, "queued")
    two.heartbeat([])
    g2 = eventually(lambda: two.lease())[0]
    two.accept(g2)
    claim = upload(two, 2, b"the second's")
    assert listed() == [(1, "expected"), (2, "complete")], "while nobody has won"
    assert two.result(g2, artifacts=claim).status == 200
    assert listed() == [(2, "complete")] and listed("?attempt=1") == [(1, "expected")]
    assert h("GET", f"/api/v1/jobs/{id}/artifacts/out.bin").raw == b"the second's"
    assert h("GET", f"/api/v1/jobs/{id}/artifacts?attempt=0").status == 422


def test_uploads_resume_and_are_verified():
    data = os.urandom(300_000)
    sha = hashlib.sha256(data).hexdigest()
    id = submit(inputs=[{"name": "in.bin", "size": len(data), "sha256": sha}])
    n, h = node(), the.master.http()
    assert n.lease() == [], "a job waits for its upload"
    patch = lambda offset, piece: h("PATCH", f"/api/v1/jobs/{id}/inputs/in.bin", piece, {"Upload-Offset": str(offset)})
    assert patch(0, data[:100_000]).headers["upload-offset"] == "100000"
    assert patch(0, data[:100_000]).headers["upload-offset"] == "100000", "a repeated piece is told where to go on"
    assert patch(100_000, b"x" * 200_000).status == 422, "a wrong digest"
    assert patch(0, data[:150_000]).status == 200 and patch(150_000, data[150_000:]).json["state"] == "complete"
    g = n.take()
    assert n.http("GET", f"/api/v1/jobs/{id}/inputs/in.bin").raw == data
    put = n.http("PUT", f"/api/v1/jobs/{id}/artifacts/out.bin?attempt=1", {"size": len(data), "sha256": sha})
    assert put.status == 200 and put.headers["upload-offset"] == "0"
    claim = [{"name": "out.bin", "size": len(data), "sha256": sha}]
    assert n.result(g, artifacts=claim).status == 422, "a success without its artifact"
    n.http("PATCH", f"/api/v1/jobs/{id}/artifacts/out.bin?attempt=1", data, {"Upload-Offset": "0"})
    assert n.result(g, artifacts=claim).status == 200
    assert [(f["name"], f["state"]) for f in h("GET", f"/api/v1/jobs/{id}/artifacts").json["files"]] == [("out.bin", "complete")]
    part = h("GET", f"/api/v1/jobs/{id}/artifacts/out.bin", headers={"Range": "bytes=10-19"})
    assert part.status == 206 and part.raw == data[10:20]
    assert h("GET", f"/api/v1/jobs/{id}/artifacts/out.bin").raw == data
    assert h("GET", f"/api/v1/jobs/{id}/artifacts/out.bin", headers={"Range": "bytes=999999-"}).status == 416
    assert n.http("PUT", f"/api/v1/jobs/{id}/artifacts/late.bin?attempt=1", {"size": 1, "sha256": sha}).status == 409
