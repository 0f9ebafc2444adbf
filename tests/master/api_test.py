#!/usr/bin/env python3
"""Black-box tests of one running master, over real HTTPS. Each test is a function; the predecessor's defects have their number in the
name. Usage: api_test.py sqlite|postgres"""
import base64, hashlib, http.server, json, os, signal, socket, ssl, subprocess, sys, threading, time, traceback, urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fleet import *

CONFIG = """
[timers]
offer = "1s"
heartbeat_min = "400ms"
forget_slack = "500ms"
retry_first = "50ms"
retry_max = "400ms"
restart_grace = "1s"
run_slack = "200ms"
[limits]
log_bytes_per_attempt = 100000
requests_per_second = 3000
[tenants.small]
max_running = 2
[tenants.heavy]
weight = 3
"""
M = None  # the master under test
BACKEND = sys.argv[1] if len(sys.argv) > 1 else "sqlite"
_names = iter(range(10**6))


def submit(http=None, **job):
    answer = (http or M.http())("POST", "/api/v1/jobs", dict({"type": TYPE}, **job))
    assert answer.status == 201, answer
    return answer.json["id"] if "id" in answer.json else answer.json["ids"]


def job(id):
    answer = M.http()("GET", f"/api/v1/jobs/{id}")
    assert answer.status == 200, answer
    return answer.json


def node(**caps):
    """A node that takes only the jobs of the test that asks: its type is the test's own."""
    return M.node(f"edge-{next(_names)}", **dict({"types": [TYPE]}, **caps))


def key(role, tenant="default", **more):
    answer = M.http()("POST", "/api/v1/keys", dict({"name": role, "role": role, "tenant": tenant}, **more))
    assert answer.status == 201, answer
    return answer.json["key"]


def state_is(id, *states, timeout=30):
    return eventually(lambda: job(id)["state"] in states and job(id), timeout)


# --- life of a job ---------------------------------------------------------------------------------------------

def test_a_job_runs_from_submit_to_result():
    n, id = node(), submit(params={"crf": 23})
    g = n.take()
    assert g["job"] == id and g["spec"]["params"] == {"crf": 23}
    n.heartbeat([dict(g, progress={"percent": 40}, mark=4)])
    assert job(id)["progress"] == {"percent": 40} and job(id)["state"] == "running"
    assert n.result(g, result={"frames": 100}).json["jobs"][0]["state"] == "succeeded"
    assert job(id)["result"] == {"frames": 100}
    kinds = [e["kind"] for e in M.http()("GET", f"/api/v1/jobs/{id}/history").json["history"]]
    assert kinds == ["job.submitted", "job.offered", "job.running", "job.succeeded"], kinds


def test_batch_array_and_dependencies_inside_a_request():
    a = M.http()("POST", "/api/v1/jobs", {"jobs": [{"type": TYPE}, {"type": TYPE, "after": ["@0"]}, {"type": TYPE, "count": 3}]})
    assert a.status == 201 and len(a.json["ids"]) == 5, a
    first, second = a.json["ids"][:2]
    n = node()
    grants = n.lease(most=8)
    assert len(grants) == 4 and second not in [g["job"] for g in grants]
    assert "waits for" in M.http()("GET", f"/api/v1/jobs/{second}/why").json["why"]
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
    again = M.http()("POST", "/api/v1/jobs", {"type": TYPE, "after": [a]})
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
    assert M.http()("POST", f"/api/v1/jobs/{id}/retry", {}).json["state"] == "queued"
    assert len(M.http()("GET", f"/api/v1/jobs/{id}/attempts").json["attempts"]) == 2


def test_input_and_parameter_failures_are_not_retried():
    n, id = node(), submit(max_attempts=5)
    n.result(n.take(), "failed", **{"class": "input"})
    assert job(id)["state"] == "failed"


def test_cancel_reaches_the_node_D2_D22_D24():
    n, id = node(), submit()
    g = n.take()
    began = time.time()
    assert M.http()("POST", f"/api/v1/jobs/{id}/cancel", {"reason": "wrong file"}).status == 200
    assert M.http()("GET", "/ready").status == 200 and time.time() - began < 20
    commands = n.heartbeat([g]).json["commands"]
    assert commands[0]["action"] == "cancel" and commands[0]["job"] == id, commands
    assert n.heartbeat([g]).json["commands"][0]["action"] == "cancel", "a command that was lost with its answer is told again"
    n.result(g, "cancelled")
    assert job(id)["state"] == "cancelled"
    waiting = submit()
    M.http()("POST", f"/api/v1/jobs/{waiting}/cancel", {})
    assert job(waiting)["state"] == "cancelled"


def test_pause_and_resume_reach_the_node_D16():
    n, id = node(), submit(run_timeout_s=0.4)
    g = n.take()
    M.http()("POST", f"/api/v1/jobs/{id}/pause", {})
    assert n.heartbeat([g]).json["commands"][0]["action"] == "pause"
    for _ in range(6):
        time.sleep(0.2)
        n.heartbeat([g])
    assert job(id)["state"] == "running", "a paused job's clock stands still"
    M.http()("POST", f"/api/v1/jobs/{id}/resume", {})
    assert n.heartbeat([g]).json["commands"][0]["action"] == "run"
    held = submit()
    M.http()("POST", f"/api/v1/jobs/{held}/pause", {})
    assert n.lease() == [] and "paused" in M.http()("GET", f"/api/v1/jobs/{held}/why").json["why"]


def test_ids_are_whole_D1():
    id = submit()
    seq = id[1:id.index("-")]
    for bad in (seq, "j" + seq, id + "x", id[:-1], id.upper(), "j0" + seq + id[id.index("-"):], seq + "-aaaaaa", "'; DROP TABLE jobs;--"):
        assert M.http()("GET", "/api/v1/jobs/" + urllib.parse.quote(bad, safe="")).status == 404, bad
        assert M.http()("POST", f"/api/v1/jobs/{urllib.parse.quote(bad, safe='')}/cancel", {}).status == 404
    assert job(id)["state"] == "queued"


def test_logs_are_kept_by_offset_D5():
    n, id = node(), submit()
    g = n.take()
    put = lambda offset, text: n.http("POST", f"/api/v1/jobs/{id}/logs?attempt=1&offset={offset}", text)
    assert put(0, "one\n").json["next"] == 4
    wrong = put(2, "two\n")
    assert wrong.status == 409 and wrong.json["next"] == 4
    put(4, "to rtmp://live.example/app/SECRETKEY ok\n"), put(44, "unfinish")
    got = M.http()("GET", f"/api/v1/jobs/{id}/logs")
    assert b"one\nto rtmp://live.example/app/*** ok\n" == got.raw, got.raw
    n.result(g, "failed")
    assert b"unfinish" in M.http()("GET", f"/api/v1/jobs/{id}/logs").raw, "the log of a failed attempt is kept"
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
    M.kill()
    time.sleep(2.5)  # longer than the node's lease
    M.start()
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


def test_nodes_stay_listed_after_retries_D10_D13():
    n, id = node(), submit()
    n.take()
    offline = lambda: M.http()("GET", f"/api/v1/nodes/{n.id}").json["state"] == "offline"
    eventually(offline)
    state_is(id, "queued")
    assert n.heartbeat([]).status == 200
    assert M.http()("GET", f"/api/v1/nodes/{n.id}").json["state"] == "online"


def test_no_head_of_line_blocking_D11():
    blocked = [submit(queue="live", priority="high", require={"gpu": True}) for _ in range(30)]
    small = submit(queue="batch", priority="low")
    n = node()
    assert n.take()["job"] == small
    why = M.http()("GET", f"/api/v1/jobs/{blocked[0]}/why").json
    assert why["why"] == "no registered node can ever run it" and why["fleet"]["unmet_on"]["GPU yes"] >= 1, why


def test_lost_lease_answer_gives_the_same_grant_D12():
    n, id = node(), submit()
    submit()
    a, b = n.lease(nonce="same"), n.lease(nonce="same")
    assert a == b and a[0]["job"] == id
    c = n.lease(nonce="other")
    assert c[0]["job"] != id


def test_offers_that_nobody_accepts_return():
    n, id = node(), submit()
    g = n.lease()[0]
    state_is(id, "queued")
    assert n.accept(g).status == 409
    assert n.take()["attempt"] == 2


def test_retries_from_dead_nodes_are_bounded_and_poison_is_held_D14():
    id = submit(max_attempts=10)
    for _ in range(2):
        n = node()
        eventually(lambda: n.lease(), 20)
        g = {"job": id, "attempt": job(id)["attempt"]}
        assert n.accept(g).status == 200
        eventually(lambda: job(id)["state"] == "queued")
    assert job(id)["hold"] == "quarantined", job(id)
    assert node().lease() == []
    M.http()("POST", f"/api/v1/jobs/{id}/resume", {})
    n = node()
    g = eventually(lambda: n.lease())[0]
    n.accept(g), n.result(g)
    assert job(id)["state"] == "succeeded"


def test_sick_nodes_are_cordoned_with_the_evidence():
    n = node()
    ids = [submit(max_attempts=1) for _ in range(3)]
    for _ in ids:
        n.result(n.take(), "failed", **{"class": "resource"})
    told = M.http()("GET", f"/api/v1/nodes/{n.id}").json
    assert told["cordoned"] and all(i in told["note"] for i in ids), told
    submit()
    assert n.lease() == []
    M.http()("POST", f"/api/v1/nodes/{n.id}/uncordon", {})
    assert len(n.lease()) == 1


def test_lists_are_paged_and_filtered_D15():
    ids = submit(count=25, labels={"show": "news%"})
    seen, cursor = [], ""
    while True:
        page = M.http()("GET", f"/api/v1/jobs?type={TYPE}&limit=10&label=show=news%25" + (f"&cursor={cursor}" if cursor else "")).json
        seen += [j["id"] for j in page["jobs"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == list(reversed(ids))
    assert M.http()("GET", f"/api/v1/jobs?type={TYPE}&state=succeeded").json["jobs"] == []


def test_unknown_fields_are_errors_D17():
    for body, field in (({"type": TYPE, "qeue": "live"}, "qeue"), ({"type": TYPE, "queue": "fast"}, "queue"), ({"type": 5}, "type"),
                        ({"type": TYPE, "require": {"gpus": True}}, "require.gpus"), ({"type": TYPE, "resource_limits": {}}, "resource_limits"),
                        ({"type": TYPE, "limits": {"memory": "lots"}}, "limits.memory"), ({}, "type"), ([], "(body)")):
        a = M.http()("POST", "/api/v1/jobs", body)
        assert a.status == 422 and field in [e["field"] for e in a.json["errors"]], (body, a)
    assert "did you mean \"queue\"" in M.http()("POST", "/api/v1/jobs", {"type": TYPE, "qeue": 1}).raw.decode().replace('\\"', '"')
    assert M.http()("GET", "/api/v1/jobs?staet=x").status == 422


def test_results_are_stored_whole_D18():
    n, id = node(), submit()
    document = {"outcome": "exited", "usage": {"cpu_user_s": 1.5}, "text": "ü" * 1000}
    n.result(n.take(), result=document)
    assert job(id)["result"] == document


def test_metrics_have_bounded_labels_D19():
    for i in range(20):
        M.http()("GET", f"/api/v1/jobs/j{i}-aaaaaa"), M.http()("GET", f"/nowhere/{i}")
    text = M.http()("GET", "/metrics").raw.decode()
    assert text.endswith("# EOF\n") and "aaaaaa" not in text and "nowhere" not in text
    assert 'route="GET /api/v1/jobs/{id}"' in text


def test_numbers_of_deleted_jobs_are_not_reused_D21():
    id = submit()
    M.http()("POST", f"/api/v1/jobs/{id}/cancel", {})
    assert M.http()("DELETE", f"/api/v1/jobs/{id}").status == 200
    assert M.http()("GET", f"/api/v1/jobs/{id}").status == 404
    assert int(submit()[1:].split("-")[0]) > int(id[1:].split("-")[0])


def test_equal_names_do_not_share_a_node_D32():
    n = node()
    a = M.http()("POST", "/api/v1/nodes/register", {"name": n.name, "nonce": "f" * 16, "capabilities": {}})
    assert a.status == 409, a


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
    eventually(lambda: M.http()("GET", f"/api/v1/nodes/{n.id}").json["state"] == "offline")
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


def test_deadline_and_not_before():
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    late = submit(not_before=soon)
    n = node()
    assert n.lease() == []
    past = submit(deadline=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1)), require={"cores": 999})
    assert state_is(past, "failed")["reason"].startswith("its deadline")
    assert n.lease(wait=20)[0]["job"] == late


def test_priorities_and_queues_order():
    low = submit(queue="batch", priority="high")
    mid = submit(queue="default", priority="low")
    top = submit(queue="live", priority="low")
    urgent = submit(queue="live", priority="high")
    n = node()
    assert [n.take()["job"] for _ in range(4)] == [urgent, top, mid, low]


def test_move_changes_the_order():
    a, b = submit(), submit()
    M.http()("PATCH", f"/api/v1/jobs/{b}", {"priority": "high"})
    assert node().take()["job"] == b


def test_tenants_share_and_are_limited():
    small, heavy = M.http(key("submit", "small")), M.http(key("submit", "heavy"))
    ids = submit(small, count=5)
    n = node()
    grants = n.lease(most=8)
    assert len(grants) == 2, "max_running of the tenant"
    for g in grants:
        n.accept(g)
    n.result(grants[0])
    assert len(n.lease(most=8)) == 1
    assert small("GET", f"/api/v1/jobs/{submit(heavy)}").status == 404, "another tenant's job"
    assert heavy("POST", f"/api/v1/jobs/{ids[0]}/cancel", {}).status == 404


def test_anti_affinity_and_labels():
    ids = [submit(require={"spread": TYPE, "labels": {"zone": "a"}}) for _ in range(2)]
    wrong, one, two = node(labels={"zone": "b"}), node(labels={"zone": "a"}), node(labels={"zone": "a"})
    assert wrong.lease(most=4) == []
    assert len(one.lease(most=4)) == 1 and len(one.lease(most=4)) == 0
    assert len(two.lease(most=4)) == 1


def test_capacity_is_respected():
    for _ in range(3):
        submit(require={"cores": 3})
    n = node()
    assert len(n.lease(most=8)) == 2


def test_long_poll_wakes_for_a_new_job():
    n, got = node(), []
    t = threading.Thread(target=lambda: got.extend(n.lease(wait=25)))
    t.start()
    eventually(lambda: b"ffrtmp_parked_polls 1\n" in M.http()("GET", "/metrics").raw)
    id = submit()
    t.join(30)
    assert got and got[0]["job"] == id


def test_drain_a_node():
    n, _ = node(), submit()
    M.http()("POST", f"/api/v1/nodes/{n.id}/drain", {"reason": "kernel"})
    a = n.post("lease", {"nonce": "x", "free": {"slots": 1}, "wait_s": 20})
    assert a.json["grants"] == [] and a.json["closed"] == "draining"
    assert n.heartbeat([]).json["drain"]


# --- keys and tokens -------------------------------------------------------------------------------------------

def test_keys_roles_and_revocation_D60():
    http = lambda token: M.http(token)
    submitter, worker = key("submit"), key("worker")
    assert http(submitter)("POST", "/api/v1/keys", {"name": "x", "role": "admin"}).status == 403
    assert http(worker)("POST", "/api/v1/jobs", {"type": TYPE}).status == 403
    for bad in ("", "ffk_x", submitter[:-1] + "0", submitter + "0", "ffk_" + "0" * 12 + "_" + "0" * 64, "x" * 5000):
        a = http(bad or "none")("GET", "/api/v1/jobs")
        assert a.status in (401, 429) or len(bad) > 4000, (bad, a)
    assert Http(M.port, M.ca, None)("GET", "/api/v1/jobs").status == 401
    assert http(submitter)("GET", "/api/v1/jobs").status == 200
    M.http()("DELETE", "/api/v1/keys/" + submitter.split("_")[1])
    assert http(submitter)("GET", "/api/v1/jobs").status == 401
    short = key("submit", expires_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2)))
    eventually(lambda: http(short)("GET", "/api/v1/jobs").status == 401)
    listed = M.http()("GET", "/api/v1/keys").raw.decode()
    assert submitter.split("_")[2] not in listed and "hash" not in listed


def test_node_tokens_rotate_and_are_revoked():
    n = node()
    other = node()
    assert n.http("GET", f"/api/v1/nodes/{other.id}").status == 403
    new = n.post("token", {}).json["token"]
    assert new != n.token and n.heartbeat([]).status == 200, "the old one lives on for a while"
    n.http = M.http(new)
    assert n.heartbeat([]).status == 200
    M.http()("POST", f"/api/v1/nodes/{n.id}/revoke", {})
    assert n.heartbeat([]).status == 401


# --- the edges of HTTP -----------------------------------------------------------------------------------------

def raw(data, wait=5, tls=True):
    s = socket.create_connection(("127.0.0.1", M.port), timeout=wait)
    if tls:
        c = ssl.create_default_context(cafile=M.ca)
        s = c.wrap_socket(s, server_hostname="127.0.0.1")
    out = b""
    try:
        s.sendall(data)
        while True:
            part = s.recv(65536)
            if not part:
                break
            out += part
    except (OSError, socket.timeout):
        pass
    s.close()
    return out


def test_malformed_bodies_say_where():
    post = lambda body: M.http()("POST", "/api/v1/jobs", body, {"Content-Type": "application/json"})
    a = post('{"type": "x",\n "queue": }')
    assert a.status == 400 and "line 2" in a.json["detail"], a
    assert post("[" * 100000).status == 400
    assert post('{"type":' + "[" * 30 + "]" * 30 + "}").status == 400
    assert post('{"type":"x","count":1e999}').status in (400, 422)
    assert post('{"type":"x","count":99999999999999999999}').status in (400, 422)
    assert post("\xff\xfe").status == 400
    assert M.http()("POST", "/api/v1/jobs", "type=x", {"Content-Type": "application/x-www-form-urlencoded"}).status == 415
    assert M.http()("PUT", "/api/v1/jobs", {}).status == 405
    big = raw(b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
    assert b" 413 " in big, big
    assert b" 200 " not in raw(b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100000 + b"\r\n\r\n")
    assert M.http()("GET", "/health").status == 200


def test_plain_http_and_old_tls_are_refused_D57_D58():
    assert b"200" not in raw(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", tls=False)
    c = ssl.create_default_context(cafile=M.ca)
    c.minimum_version = ssl.TLSVersion.TLSv1
    c.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        c.wrap_socket(socket.create_connection(("127.0.0.1", M.port), timeout=5), server_hostname="127.0.0.1")
        raise AssertionError("TLS 1.1 was taken")
    except (ssl.SSLError, OSError):
        pass
    run = lambda *a: subprocess.run([MASTER, "--state-dir", "/tmp/unused"] + list(a), capture_output=True, text=True)
    half = run("--tls-cert", "/etc/hostname", "--check")
    assert half.returncode == 2 and "half a TLS pair" in half.stderr, half
    assert run("--client-ca", "/nonexistent", "--check").returncode == 2


def test_sql_and_traversal_are_only_text():
    evil = "'; DROP TABLE jobs; --"
    id = submit(name=evil, labels={evil: evil}, params={evil: evil})
    assert job(id)["spec"]["labels"] == {evil: evil}
    for path in (f"/api/v1/jobs?type={urllib.parse.quote(evil)}", f"/api/v1/jobs?cursor={urllib.parse.quote(evil)}",
                 f"/api/v1/nodes/{urllib.parse.quote(evil)}", f"/api/v1/events?after={urllib.parse.quote(evil)}"):
        assert M.http()("GET", path).status in (200, 404, 422), path
    n = node()
    g = n.take()
    for name in ("..%2F..%2Fetc%2Fpasswd", "..", ".hidden", "a%00b", "%2e%2e", "-rf", "a%5Cb"):
        a = n.http("PUT", f"/api/v1/jobs/{id}/artifacts/{name}?attempt=1", {"size": 1, "sha256": "0" * 64})
        assert a.status in (400, 404, 422), (name, a)


def test_inward_urls_are_refused():
    for url in ("http://127.0.0.1/x", "http://localhost:80/", "http://169.254.169.254/latest", "http://[::1]/", "http://0x7f.1/",
                "http://2130706433/", "http://[::ffff:127.0.0.1]/", "http://metadata.google.internal/", "http://user@127.0.0.1:8/"):
        a = M.http()("POST", "/api/v1/jobs", {"type": TYPE, "input": url})
        assert a.status == 422, (url, a)
        assert M.http()("POST", "/api/v1/webhooks", {"url": url}).status == 422, url
    assert M.http()("POST", "/api/v1/jobs", {"type": TYPE, "params": {"deep": [{"u": "http://127.0.0.1"}]}}).status == 422
    submit(input="https://media.example/a.mp4")


def test_secrets_are_not_shown():
    id = submit(output="rtmp://live.example/app/STREAMKEY1", params={"stream_key": "STREAMKEY2", "url": "https://u:PASSWORD3@h/x?token=TOKEN4"})
    n = node()
    g = n.take()
    assert g["spec"]["output"].endswith("STREAMKEY1"), "the node needs it"
    n.result(g, "failed", reason="rtmp://live.example/app/STREAMKEY1 refused", **{"class": "input"})
    for path in (f"/api/v1/jobs/{id}", "/api/v1/jobs", "/api/v1/events?limit=1000", f"/api/v1/jobs/{id}/history", f"/api/v1/jobs/{id}/attempts", "/metrics"):
        text = M.http()("GET", path).raw.decode()
        assert not any(s in text for s in ("STREAMKEY1", "STREAMKEY2", "PASSWORD3", "TOKEN4")), path
    assert "STREAMKEY" not in open(os.path.join(M.folder, "err")).read()


def test_idempotent_submit():
    h = {"Idempotency-Key": "once-" + TYPE}
    a = M.http()("POST", "/api/v1/jobs", {"type": TYPE}, h)
    b = M.http()("POST", "/api/v1/jobs", {"type": TYPE}, h)
    assert a.json["id"] == b.json["id"] and b.headers["idempotent-replayed"] == "true"
    assert M.http()("POST", "/api/v1/jobs", {"type": TYPE, "queue": "live"}, h).status == 422
    got = []
    def one():
        got.append(M.http()("POST", "/api/v1/jobs", {"type": TYPE}, {"Idempotency-Key": "race-" + TYPE}).json["id"])
    threads = [threading.Thread(target=one) for _ in range(8)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert len(got) == 8 and len(set(got)) == 1, got


def test_etag_gzip_and_request_ids():
    submit(count=30)
    h = M.http()
    a = h("GET", "/api/v1/jobs?limit=30", headers={"X-Request-Id": "abc-1", "Accept-Encoding": "gzip"})
    assert a.headers["x-request-id"] == "abc-1" and a.headers["content-encoding"] == "gzip"
    assert h("GET", "/api/v1/types", headers={"If-None-Match": h("GET", "/api/v1/types").headers["etag"]}).status == 304


def test_type_schemas_are_enforced():
    n = node(types=[{"name": TYPE, "params": {"codec": {"type": "string", "enum": ["h264", "hevc"], "required": True}, "crf": {"type": "integer", "min": 0, "max": 51}}}])
    eventually(lambda: M.http()("POST", "/api/v1/jobs", {"type": TYPE, "params": {"codec": "h265"}}).status == 422)
    for params, field in (({}, "params.codec"), ({"codec": "h264", "crf": 99}, "params.crf"), ({"codec": "h264", "cfr": 1}, "params.cfr")):
        a = M.http()("POST", "/api/v1/jobs", {"type": TYPE, "params": params})
        assert a.status == 422 and a.json["errors"][0]["field"] == field, a
    a = M.http()("POST", "/api/v1/jobs", {"type": TYPE[:-1] + "_"})
    assert a.status == 422 and "did you mean" in a.json["errors"][0]["detail"], a
    submit(params={"codec": "hevc", "crf": 20})


def test_uploads_resume_and_are_verified():
    data = os.urandom(300_000)
    sha = hashlib.sha256(data).hexdigest()
    id = submit(inputs=[{"name": "in.bin", "size": len(data), "sha256": sha}])
    n, h = node(), M.http()
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
    part = h("GET", f"/api/v1/jobs/{id}/artifacts/out.bin", headers={"Range": "bytes=10-19"})
    assert part.status == 206 and part.raw == data[10:20]
    assert h("GET", f"/api/v1/jobs/{id}/artifacts/out.bin").raw == data
    assert n.http("PUT", f"/api/v1/jobs/{id}/artifacts/late.bin?attempt=1", {"size": 1, "sha256": sha}).status == 409


def test_events_stream_and_resume():
    start = M.http()("GET", "/api/v1/events?after=now").json["next"]
    s = socket.create_connection(("127.0.0.1", M.port), timeout=20)
    s = ssl.create_default_context(cafile=M.ca).wrap_socket(s, server_hostname="127.0.0.1")
    s.sendall(f"GET /api/v1/events?after={start} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer {M.key}\r\n\r\n".encode())
    ids = [submit() for _ in range(3)]
    text = b""
    until = time.time() + 20
    while not all(i.encode() in text for i in ids) and time.time() < until:
        text += s.recv(65536)
    s.close()
    assert all(i.encode() in text for i in ids), text
    def submitted():
        page = M.http()("GET", f"/api/v1/events?after={start}&limit=1000").json["events"]
        return [e["data"]["job"] for e in page if e["kind"] == "job.submitted" and e["data"]["job"] in ids]
    eventually(lambda: submitted() == ids)


def test_webhooks_are_signed_retried_and_replayed():
    got, fail = [], [2]
    secret = "s" * 20
    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if fail[0] > 0:
                fail[0] -= 1
                self.send_response(500)
            else:
                got.append((self.headers["X-Ffrtmp-Delivery"], self.headers["X-Ffrtmp-Signature"], body))
                self.send_response(200)
            self.end_headers()
        def log_message(self, *a):
            pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = scratch("hook")
    other = Master(folder, config=CONFIG, args=["--allow-inward-urls"]).start()
    try:
        h = other.http()
        hook = h("POST", "/api/v1/webhooks", {"url": f"http://127.0.0.1:{server.server_port}/x?token=abc", "secret": secret, "kinds": ["job."]})
        assert hook.status == 201 and "abc" not in hook.raw.decode()
        ids = [h("POST", "/api/v1/jobs", {"type": "t"}).json["id"] for _ in range(3)]
        eventually(lambda: len(got) >= 3, 40)
        assert [json.loads(b)["data"]["job"] for _, _, b in got] == ids, "in order, none lost by two failures"
        import hmac
        for delivery, signature, body in got:
            assert signature == "sha256=" + hmac.new(secret.encode(), delivery.encode() + b"." + body, "sha256").hexdigest()
        h("POST", f"/api/v1/webhooks/{hook.json['id']}/replay", {"cursor": "0-0"})
        eventually(lambda: len(got) >= 6, 40)
        assert got[3][0] == got[0][0], "a repetition has the same delivery id"
    finally:
        other.stop()
        server.shutdown()
        shutil.rmtree(folder)


def test_openapi_covers_every_path():
    doc = M.http()("GET", "/openapi.json").json
    assert doc["openapi"].startswith("3.1")
    names = set(doc["components"]["schemas"])
    def refs(x):
        if isinstance(x, dict):
            if "$ref" in x:
                yield x["$ref"].rsplit("/", 1)[1]
            for v in x.values():
                yield from refs(v)
        elif isinstance(x, list):
            for v in x:
                yield from refs(v)
    assert set(refs(doc)) <= names
    count = 0
    for path, operations in doc["paths"].items():
        for method, operation in operations.items():
            concrete = path.replace("{id}", "nothing-here").replace("{name}", "file.bin")
            anonymous = Http(M.port, M.ca, None)
            a = anonymous(method.upper(), concrete, {} if method in ("post", "put", "patch") else None)
            assert a.status in ((200, 503) if operation.get("security") == [] else (401, 429)), (method, path, a)
            token = M.key if "admin" in operation.get("x-roles", ["admin"]) else _probe.token
            a = M.http(token)(method.upper(), concrete.replace("/nodes/nothing-here", "/nodes/" + _probe.id) if token == _probe.token else concrete,
                              {"zzz": 1} if method in ("post", "put", "patch") else None)
            assert a.status not in (404, 405) or (a.json and "no such path" not in a.json.get("detail", "no such path")), (method, path, a)
            assert a.status < 500, (method, path, a)
            count += 1
    assert count >= 45, count


def test_the_command_line_works():
    env = dict(os.environ, MASTER_URL=f"https://127.0.0.1:{M.port}", MASTER_API_KEY=M.key, HOME="/nonexistent")
    env.pop("XDG_CONFIG_HOME", None)
    run = lambda *a: subprocess.run([FLEET] + list(a), env=env, capture_output=True, text=True, timeout=90)
    assert run("master", "ping").returncode == 1, "an authority that nobody vouched for"
    assert run("--ca-pin", M.pin, "master", "ping").stdout == "ready\n"
    bad = run("--ca-pin", "sha256:" + "0" * 64, "master", "ping")
    assert bad.returncode == 1 and "pin" in bad.stderr
    env["MASTER_CA"] = M.ca
    folder = scratch("cli")
    path = folder + "/clip.bin"
    data = os.urandom(5_000_000)
    open(path, "wb").write(data)
    made = run("jobs", "submit", TYPE, path, "-p", "crf=20", "--label", "a=b", "--require", "cores=2")
    assert made.returncode == 0, made
    id = made.stdout.strip()
    n = node()
    g = n.take()
    assert g["job"] == id and n.http("GET", f"/api/v1/jobs/{id}/inputs/clip.bin").raw == data
    sha = hashlib.sha256(data).hexdigest()
    n.http("PUT", f"/api/v1/jobs/{id}/artifacts/o.bin?attempt=1", {"size": len(data), "sha256": sha})
    n.http("PATCH", f"/api/v1/jobs/{id}/artifacts/o.bin?attempt=1", data, {"Upload-Offset": "0"})
    n.http("POST", f"/api/v1/jobs/{id}/logs?attempt=1&offset=0", "a line\n")
    n.result(g, artifacts=[{"name": "o.bin", "size": len(data), "sha256": sha}])
    assert run("jobs", "artifacts", id, "--fetch", folder).returncode == 0
    assert open(folder + "/o.bin", "rb").read() == data
    assert run("jobs", "logs", id).stdout == "a line\n"
    assert "succeeded" in run("jobs", "list").stdout and run("jobs", "status", "-f", id).returncode == 0
    failed = submit(max_attempts=1)
    n.result(n.take(), "failed")
    assert run("jobs", "status", "-f", failed).returncode == 3
    assert run("jobs", "submit").returncode == 2 and run("jobs", "status", "j1-zzzzzz").returncode == 1
    assert json.loads(run("--json", "nodes", "list").stdout)["nodes"]
    assert run("nodes", "cordon", n.name, "--reason", "test").returncode == 0
    key_made = run("keys", "create", "ci", "--role", "submit").stdout.strip()
    assert key_made.startswith("ffk_") and run("keys", "revoke", key_made.split("_")[1]).returncode == 0
    assert "no node" in run("jobs", "why", submit()).stdout
    shutil.rmtree(folder)


def test_slow_and_many_connections_do_not_stop_it():
    slow = []
    for i in range(200):
        s = socket.create_connection(("127.0.0.1", M.port), timeout=5)
        slow.append(s)
    assert M.http()("GET", "/health").status == 200
    began = time.time()
    while slow and time.time() < began + 60:
        time.sleep(1)
        slow[0].settimeout(0.01)
        try:
            if slow[0].recv(1) == b"":
                break
        except socket.timeout:
            continue
        except OSError:
            break
    else:
        raise AssertionError("a silent connection was kept for a minute")
    [s.close() for s in slow]


def test_sighup_reloads_and_bad_settings_change_nothing():
    before = open(M.config).read()
    h = M.http()
    for text, words in (("nonsense = true\n", b"not reloaded"), (before, b"reloaded")):
        open(M.config, "w").write(text)
        M.process.send_signal(signal.SIGHUP)
        eventually(lambda: words in open(os.path.join(M.folder, "err"), "rb").read()[-400:])
        assert h("GET", "/health").status == 200


def test_configuration_is_strict():
    folder = scratch("conf")
    def check(text):
        open(folder + "/c.toml", "w").write(text)
        return subprocess.run([MASTER, "--check", "--config", folder + "/c.toml"], capture_output=True, text=True)
    assert check(CONFIG).returncode == 0
    for text, words in (("listn = 'x'", "did you mean listen"), ("[limits]\nconnections = 'many'", "c.toml:2"), ("[timers]\noffer = 5", "duration"),
                        ("listen = 'x'", "HOST:PORT"), ("[[x", "c.toml:1"), ("insecure_http = true", "loopback")):
        r = check(text)
        assert r.returncode == 2 and words in r.stderr and r.stderr.count("\n") == 1, (text, r)
    r = subprocess.run([MASTER, "--db", "postgres://u:secret@h/d", "--check"], capture_output=True, text=True)
    assert r.returncode == 2 and "secret" not in r.stderr
    shutil.rmtree(folder)


def test_stops_at_once_with_parked_polls_D20():
    n = node()
    t = threading.Thread(target=lambda: n.post("lease", {"nonce": "p", "free": {"slots": 1}, "wait_s": 55}), daemon=True)
    t.start()
    eventually(lambda: b"ffrtmp_parked_polls 1\n" in M.http()("GET", "/metrics").raw)
    began = time.time()
    assert M.stop() == 0 and time.time() - began < 25
    t.join(10)
    assert not t.is_alive()
    M.start()


def main():
    global M, TYPE, _probe
    folder = scratch("api")
    postgres = Postgres(folder + "/pg") if BACKEND == "postgres" else None
    passed = failed = 0
    only = sys.argv[2:]
    M = Master(folder, db=postgres.database() if postgres else None, config=CONFIG).start()
    TYPE = "probe"
    _probe = node()
    try:
        for name, test in [(n, t) for n, t in globals().items() if n.startswith("test_")]:
            if only and not any(o in name for o in only):
                continue
            # A type of its own keeps each test's jobs from the other tests' nodes.
            TYPE = name[5:35] + f"-{next(_names)}"
            M.http(_probe.token)("PUT", f"/api/v1/nodes/{_probe.id}", {"capabilities": {"types": [TYPE]}})
            try:
                test()
                passed += 1
                print(f"ok {BACKEND} {name[5:]}", flush=True)
            except Exception:
                failed += 1
                print(f"FAIL {BACKEND} {name[5:]}\n{traceback.format_exc()}", flush=True)
                if M.process.poll() is not None:
                    print("the master is gone: " + M.errors(), flush=True)
                    M.start()
    finally:
        M.stop()
        if postgres:
            postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"# {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
