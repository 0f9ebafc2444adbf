"""Who gets which job, and when: matching, order, shares, limits, and nodes that are sick, gone or going."""
import os, socket, ssl, struct, threading, time

from context import *


def test_nodes_stay_listed_after_retries_D10_D13():
    n, id = node(), submit()
    n.take()
    offline = lambda: the.master.http()("GET", f"/api/v1/nodes/{n.id}").json["state"] == "offline"
    eventually(offline)
    state_is(id, "queued")
    assert n.heartbeat([]).status == 200
    assert the.master.http()("GET", f"/api/v1/nodes/{n.id}").json["state"] == "online"


def test_no_head_of_line_blocking_D11():
    blocked = [submit(queue="live", priority="high", require={"gpu": True}) for _ in range(30)]
    small = submit(queue="batch", priority="low")
    n = node()
    assert n.take()["job"] == small
    why = the.master.http()("GET", f"/api/v1/jobs/{blocked[0]}/why").json
    assert why["why"] == "no registered node can ever run it" and why["fleet"]["unmet_on"]["GPU yes"] >= 1, why


def test_lost_lease_answer_gives_the_same_grant_D12():
    n, id = node(), submit()
    submit()
    a, b = n.lease(nonce="same"), n.lease(nonce="same")
    assert a == b and a[0]["job"] == id
    c = n.lease(nonce="other")
    assert c[0]["job"] != id


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
    the.master.http()("POST", f"/api/v1/jobs/{id}/resume", {})
    n = node()
    g = eventually(lambda: n.lease())[0]
    n.accept(g), n.result(g)
    assert job(id)["state"] == "succeeded"


def test_sick_nodes_are_cordoned_with_the_evidence():
    n = node()
    ids = [submit(max_attempts=1) for _ in range(3)]
    for _ in ids:
        n.result(n.take(), "failed", **{"class": "node"})
    told = the.master.http()("GET", f"/api/v1/nodes/{n.id}").json
    assert told["cordoned"] and all(i in told["note"] for i in ids), told
    submit()
    assert n.lease() == []
    the.master.http()("POST", f"/api/v1/nodes/{n.id}/uncordon", {})
    assert len(n.lease()) == 1


def test_refusals_and_failures_of_jobs_cordon_nobody_and_end():
    nodes, classes = [node() for _ in range(2)], ("capability", "resource", "input", "parameters", "deadline")
    ids = {submit(max_attempts=3): c for c in classes * 3}
    left, refused = set(ids), {id: [] for id in ids}
    def turn():
        for n in nodes:
            for g in n.lease(most=8):
                assert n.accept(g).status == 200
                n.result(g, "failed", reason="no encoder for it", **{"class": ids[g["job"]]})
                refused[g["job"]].append(n.id)
        left.difference_update([id for id in left if job(id)["state"] == "failed"])
        return not left
    eventually(turn, 60)
    for id, c in ids.items():
        if c in ("capability", "resource"):
            assert len(refused[id]) == 3 and set(refused[id]) == {n.id for n in nodes}, "another one is asked, and nobody for ever"
            assert job(id)["reason"] == "no encoder for it (3 attempts)"
        else:
            assert len(refused[id]) == 1, "no node can cure it"
    for n in nodes:
        assert not the.master.http()("GET", f"/api/v1/nodes/{n.id}").json["cordoned"]


def test_the_only_node_that_can_gets_it_again():
    n, id, others = node(), submit(), [node(types=["something else"]) for _ in range(2)]
    for attempt in (1, 2):
        g = eventually(lambda: [o.heartbeat([]) for o in others] and n.lease())[0]
        assert (g["job"], g["attempt"]) == (id, attempt)
        n.accept(g), n.result(g, "failed" if attempt == 1 else "succeeded")
    assert job(id)["state"] == "succeeded"


def test_equal_names_do_not_share_a_node_D32():
    n = node()
    a = the.master.http()("POST", "/api/v1/nodes/register", {"name": n.name, "nonce": "f" * 16, "capabilities": {}})
    assert a.status == 409, a


def test_deadline_and_not_before():
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    late = submit(not_before=soon)
    n = node()
    assert n.lease() == []
    past = submit(deadline=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1)), require={"cores": 999})
    assert state_is(past, "failed")["reason"].startswith("its deadline")
    assert eventually(lambda: n.heartbeat() and n.lease(wait=1), 20)[0]["job"] == late


def test_priorities_and_queues_order():
    low = submit(queue="batch", priority="high")
    mid = submit(queue="default", priority="low")
    top = submit(queue="live", priority="low")
    urgent = submit(queue="live", priority="high")
    n = node()
    assert [n.take()["job"] for _ in range(4)] == [urgent, top, mid, low]


def test_move_changes_the_order():
    a, b = submit(), submit()
    the.master.http()("PATCH", f"/api/v1/jobs/{b}", {"priority": "high"})
    assert node().take()["job"] == b


def test_tenants_share_are_limited_and_see_their_own_D4():
    small, heavy = the.master.http(key("submit", "small")), the.master.http(key("submit", "heavy"))
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
    ids = [submit(require={"spread": the.type, "labels": {"zone": "a"}}) for _ in range(2)]
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
    eventually(lambda: b"ffrtmp_parked_polls 1\n" in the.master.http()("GET", "/metrics").raw)
    id = submit()
    t.join(30)
    assert got and got[0]["job"] == id


def parked_poll(n):
    """A socket on which the node's poll waits, and nobody reads."""
    context = ssl.create_default_context(cafile=the.master.ca)
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", the.master.port), timeout=30), server_hostname="127.0.0.1")
    body = b'{"nonce": "%s", "wait_s": 55, "free": {"slots": 1, "cores": 1}}' % os.urandom(4).hex().encode()
    s.sendall(b"POST /api/v1/nodes/%s/lease HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
              b"Content-Length: %d\r\n\r\n%s" % (n.id.encode(), n.token.encode(), len(body), body))
    return s


def hang_up(s, how):
    if how == "RST":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == "FIN":
        s.shutdown(socket.SHUT_WR)
    else:  # TLS in good order: bytes before the FIN
        s.settimeout(0.01)
        try:
            s.unwrap()
        except OSError:
            pass
        socket.socket(fileno=os.dup(s.fileno())).shutdown(socket.SHUT_WR)
    if how != "FIN":
        s.close()


def test_polls_of_clients_that_are_gone_are_dropped_and_granted_nothing():
    gauge = lambda name: int(the.master.http()("GET", "/metrics").raw.split(b"\nffrtmp_%s " % name)[1].split()[0])
    polls = [parked_poll(node()) for _ in range(45)]
    live, got = node(), []
    eventually(lambda: gauge(b"parked_polls") == len(polls))
    t = threading.Thread(target=lambda: got.extend(live.lease(wait=50)))
    t.start()
    eventually(lambda: gauge(b"parked_polls") == len(polls) + 1)
    before = gauge(b"connections")
    for i, s in enumerate(polls):
        hang_up(s, ("RST", "FIN", "close_notify")[i % 3])
    began, id = time.time(), submit()
    t.join(40)
    assert [g["job"] for g in got] == [id] and got[0]["attempt"] == 1, (got, job(id))
    assert time.time() - began < 15, "it waited for somebody who had gone"
    eventually(lambda: gauge(b"parked_polls") == 0, 15)
    eventually(lambda: gauge(b"connections") <= before - len(polls) // 2, 15)
    [s.close() for s in polls]


def test_what_is_only_delivered_yet_holds_no_slot():
    n, first, second = node(max_jobs=1), submit(), submit()
    n.take()
    assert n.lease() == [], "it may run one"
    assert [g["job"] for g in n.lease(delivering=1)] == [second]
    assert n.lease(delivering=1) == []


def test_drain_a_node():
    n, _ = node(), submit()
    the.master.http()("POST", f"/api/v1/nodes/{n.id}/drain", {"reason": "kernel"})
    a = n.post("lease", {"nonce": "x", "free": {"slots": 1}, "wait_s": 20})
    assert a.json["grants"] == [] and a.json["closed"] == "draining"
    assert n.heartbeat([]).json["drain"]


def test_type_schemas_are_enforced():
    n = node(types=[{"name": the.type, "params": {"codec": {"type": "string", "enum": ["h264", "hevc"], "required": True}, "crf": {"type": "integer", "min": 0, "max": 51}}}])
    eventually(lambda: the.master.http()("POST", "/api/v1/jobs", {"type": the.type, "params": {"codec": "h265"}}).status == 422)
    for params, field in (({}, "params.codec"), ({"codec": "h264", "crf": 99}, "params.crf"), ({"codec": "h264", "cfr": 1}, "params.cfr")):
        a = the.master.http()("POST", "/api/v1/jobs", {"type": the.type, "params": params})
        assert a.status == 422 and a.json["errors"][0]["field"] == field, a
    a = the.master.http()("POST", "/api/v1/jobs", {"type": the.type[:-1] + "_"})
    assert a.status == 422 and "did you mean" in a.json["errors"][0]["detail"], a
    submit(params={"codec": "hevc", "crf": 20})


def test_a_copy_of_an_agent_is_refused_and_takes_nothing_away():
    n, id = node(), submit()
    g = n.take()
    assert n.heartbeat([g]).status == 200
    start = the.master.http()("GET", "/api/v1/events?after=now").json["next"]
    c = n.copy()
    assert c.heartbeat([]).status == 200, "it might be the agent, started anew"
    assert n.heartbeat([g]).json.get("stale") and c.heartbeat([]).status == 200
    assert not n.heartbeat([g]).json.get("stale"), "it speaks on: it was here first"
    refused = c.heartbeat([])
    assert refused.status == 409 and "another agent" in refused.json["detail"], refused
    assert c.post("lease", {"nonce": "x", "session": c.session, "free": {"slots": 1}, "wait_s": 5}).status == 409
    assert job(id)["state"] == "running" and job(id)["attempt"] == 1
    assert "two agents" in the.master.http()("GET", f"/api/v1/nodes/{n.id}").json["note"]
    told = lambda: [e for e in the.master.http()("GET", f"/api/v1/events?after={start}&limit=1000").json["events"] if e["kind"] == "node.cloned"]
    assert len(eventually(told)) == 1
    assert n.result(g).status == 200
    time.sleep(1.6)  # the first one has ended: a lease later the other may speak for the node
    assert c.heartbeat([]).status == 200


def test_a_restarted_agent_goes_on_at_once():
    n, id = node(), submit()
    g = n.take()
    n.heartbeat([g])
    n.session, n.beat = os.urandom(4).hex(), 0
    answer = n.heartbeat([g])
    assert answer.status == 200 and answer.json["commands"][0]["action"] == "run", answer
    n.session, n.beat = os.urandom(4).hex(), 0
    for _ in range(8):  # it has forgotten the job, and says so for longer than a lease
        assert n.heartbeat([]).status == 200
        time.sleep(0.3)
    assert job(id)["state"] == "queued" and job(id)["attempt"] == 1
