"""The edges of HTTP: keys, bad input, bad connections, and what must never be shown."""
import json, os, resource, select, shutil, socket, ssl, subprocess, threading, time, urllib.parse

from context import *


def test_ids_are_whole_D1():
    id = submit()
    seq = id[1:id.index("-")]
    for bad in (seq, "j" + seq, id + "x", id[:-1], id.upper(), "j0" + seq + id[id.index("-"):], seq + "-aaaaaa", "'; DROP TABLE jobs;--"):
        assert the.master.http()("GET", "/api/v1/jobs/" + urllib.parse.quote(bad, safe="")).status == 404, bad
        assert the.master.http()("POST", f"/api/v1/jobs/{urllib.parse.quote(bad, safe='')}/cancel", {}).status == 404
    assert job(id)["state"] == "queued"


def test_lists_are_paged_and_filtered_D15():
    ids = submit(count=25, labels={"show": "news%"})
    seen, cursor = [], ""
    while True:
        page = the.master.http()("GET", f"/api/v1/jobs?type={the.type}&limit=10&label=show=news%25" + (f"&cursor={cursor}" if cursor else "")).json
        seen += [j["id"] for j in page["jobs"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == list(reversed(ids))
    assert the.master.http()("GET", f"/api/v1/jobs?type={the.type}&state=succeeded").json["jobs"] == []


def test_unknown_fields_are_errors_D17():
    for body, field in (({"type": the.type, "qeue": "live"}, "qeue"), ({"type": the.type, "queue": "fast"}, "queue"), ({"type": 5}, "type"),
                        ({"type": the.type, "require": {"gpus": True}}, "require.gpus"), ({"type": the.type, "resource_limits": {}}, "resource_limits"),
                        ({"type": the.type, "limits": {"memory": "lots"}}, "limits.memory"), ({}, "type"), ([], "(body)")):
        a = the.master.http()("POST", "/api/v1/jobs", body)
        assert a.status == 422 and field in [e["field"] for e in a.json["errors"]], (body, a)
    assert "did you mean \"queue\"" in the.master.http()("POST", "/api/v1/jobs", {"type": the.type, "qeue": 1}).raw.decode().replace('\\"', '"')
    assert the.master.http()("GET", "/api/v1/jobs?staet=x").status == 422


def test_metrics_have_bounded_labels_D19():
    for i in range(20):
        the.master.http()("GET", f"/api/v1/jobs/j{i}-aaaaaa"), the.master.http()("GET", f"/nowhere/{i}")
    text = the.master.http()("GET", "/metrics").raw.decode()
    assert text.endswith("# EOF\n") and "aaaaaa" not in text and "nowhere" not in text
    assert 'route="GET /api/v1/jobs/{id}"' in text


def test_keys_roles_and_revocation_D60():
    http = lambda token: the.master.http(token)
    submitter, worker = key("submit"), key("worker")
    assert http(submitter)("POST", "/api/v1/keys", {"name": "x", "role": "admin"}).status == 403
    assert http(worker)("POST", "/api/v1/jobs", {"type": the.type}).status == 403
    for bad in ("", "ffk_x", submitter[:-1] + ("1" if submitter[-1] == "0" else "0"), submitter + "0", "ffk_" + "0" * 12 + "_" + "0" * 64, "x" * 5000):
        a = http(bad or "none")("GET", "/api/v1/jobs")
        assert a.status in (401, 429) or len(bad) > 4000, (bad, a)
    assert Http(the.master.port, the.master.ca, None)("GET", "/api/v1/jobs").status == 401
    assert http(submitter)("GET", "/api/v1/jobs").status == 200
    the.master.http()("DELETE", "/api/v1/keys/" + submitter.split("_")[1])
    assert http(submitter)("GET", "/api/v1/jobs").status == 401
    short = key("submit", expires_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2)))
    eventually(lambda: http(short)("GET", "/api/v1/jobs").status == 401)
    listed = the.master.http()("GET", "/api/v1/keys").raw.decode()
    assert submitter.split("_")[2] not in listed and "hash" not in listed


def test_node_tokens_rotate_and_are_revoked():
    n = node()
    other = node()
    assert n.http("GET", f"/api/v1/nodes/{other.id}").status == 403
    new = n.post("token", {}).json["token"]
    assert new != n.token and n.heartbeat([]).status == 200, "the old one lives on for a while"
    n.http = the.master.http(new)
    assert n.heartbeat([]).status == 200
    the.master.http()("POST", f"/api/v1/nodes/{n.id}/revoke", {})
    assert n.heartbeat([]).status == 401


def raw(data, wait=5, tls=True):
    s = socket.create_connection(("127.0.0.1", the.master.port), timeout=wait)
    if tls:
        c = ssl.create_default_context(cafile=the.master.ca)
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


def test_of_each_field_one_thing_is_said():
    for role, said in (({"role": "king"}, "must be one of"), ({}, "is required"), ({"role": 3}, "must be a string"), ({"role": ""}, "is required")):
        errors = the.master.http()("POST", "/api/v1/keys", dict({"name": "x"}, **role)).json["errors"]
        assert [e["field"] for e in errors] == ["role"] and said in errors[0]["detail"], errors


def test_malformed_bodies_say_where():
    post = lambda body: the.master.http()("POST", "/api/v1/jobs", body, {"Content-Type": "application/json"})
    a = post('{"type": "x",\n "queue": }')
    assert a.status == 400 and "line 2" in a.json["detail"], a
    assert post("[" * 100000).status == 400
    assert post('{"type":' + "[" * 30 + "]" * 30 + "}").status == 400
    assert post('{"type":"x","count":1e999}').status in (400, 422)
    assert post('{"type":"x","count":99999999999999999999}').status in (400, 422)
    assert post("\xff\xfe").status == 400
    assert the.master.http()("POST", "/api/v1/jobs", "type=x", {"Content-Type": "application/x-www-form-urlencoded"}).status == 415
    assert the.master.http()("PUT", "/api/v1/jobs", {}).status == 405
    big = raw(b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
    assert b" 413 " in big, big
    assert b" 200 " not in raw(b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100000 + b"\r\n\r\n")
    assert the.master.http()("GET", "/health").status == 200


def test_sql_and_traversal_are_only_text():
    evil = "'; DROP TABLE jobs; --"
    id = submit(name=evil, labels={evil: evil}, params={evil: evil})
    assert job(id)["spec"]["labels"] == {evil: evil}
    for path in (f"/api/v1/jobs?type={urllib.parse.quote(evil)}", f"/api/v1/jobs?cursor={urllib.parse.quote(evil)}",
                 f"/api/v1/nodes/{urllib.parse.quote(evil)}", f"/api/v1/events?after={urllib.parse.quote(evil)}"):
        assert the.master.http()("GET", path).status in (200, 404, 422), path
    n = node()
    g = n.take()
    for name in ("..%2F..%2Fetc%2Fpasswd", "..", ".hidden", "a%00b", "%2e%2e", "-rf", "a%5Cb"):
        a = n.http("PUT", f"/api/v1/jobs/{id}/artifacts/{name}?attempt=1", {"size": 1, "sha256": "0" * 64})
        assert a.status in (400, 404, 422), (name, a)


def test_inward_urls_are_refused():
    for url in ("http://127.0.0.1/x", "http://localhost:80/", "http://169.254.169.254/latest", "http://[::1]/", "http://0x7f.1/",
                "http://2130706433/", "http://[::ffff:127.0.0.1]/", "http://metadata.google.internal/", "http://user@127.0.0.1:8/"):
        a = the.master.http()("POST", "/api/v1/jobs", {"type": the.type, "input": url})
        assert a.status == 422, (url, a)
        assert the.master.http()("POST", "/api/v1/webhooks", {"url": url}).status == 422, url
    assert the.master.http()("POST", "/api/v1/jobs", {"type": the.type, "params": {"deep": [{"u": "http://127.0.0.1"}]}}).status == 422
    submit(input="https://media.example/a.mp4")


def test_secrets_are_not_shown():
    id = submit(output="rtmp://live.example/app/STREAMKEY1", params={"stream_key": "STREAMKEY2", "url": "https://u:PASSWORD3@h/x?token=TOKEN4"})
    n = node()
    g = n.take()
    assert g["spec"]["output"].endswith("STREAMKEY1"), "the node needs it"
    n.result(g, "failed", reason="rtmp://live.example/app/STREAMKEY1 refused", **{"class": "input"})
    for path in (f"/api/v1/jobs/{id}", "/api/v1/jobs", "/api/v1/events?limit=1000", f"/api/v1/jobs/{id}/history", f"/api/v1/jobs/{id}/attempts", "/metrics"):
        text = the.master.http()("GET", path).raw.decode()
        assert not any(s in text for s in ("STREAMKEY1", "STREAMKEY2", "PASSWORD3", "TOKEN4")), path
    assert "STREAMKEY" not in open(os.path.join(the.master.folder, "err")).read()


def test_idempotent_submit():
    h = {"Idempotency-Key": "once-" + the.type}
    a = the.master.http()("POST", "/api/v1/jobs", {"type": the.type}, h)
    b = the.master.http()("POST", "/api/v1/jobs", {"type": the.type}, h)
    assert a.json["id"] == b.json["id"] and b.headers["idempotent-replayed"] == "true"
    assert the.master.http()("POST", "/api/v1/jobs", {"type": the.type, "queue": "live"}, h).status == 422
    got = []
    def one():
        got.append(the.master.http()("POST", "/api/v1/jobs", {"type": the.type}, {"Idempotency-Key": "race-" + the.type}).json["id"])
    threads = [threading.Thread(target=one) for _ in range(8)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert len(got) == 8 and len(set(got)) == 1, got


def test_etag_gzip_and_request_ids():
    submit(count=30)
    h = the.master.http()
    a = h("GET", "/api/v1/jobs?limit=30", headers={"X-Request-Id": "abc-1", "Accept-Encoding": "gzip"})
    assert a.headers["x-request-id"] == "abc-1" and a.headers["content-encoding"] == "gzip"
    assert h("GET", "/api/v1/types", headers={"If-None-Match": h("GET", "/api/v1/types").headers["etag"]}).status == 304


def test_openapi_covers_every_path():
    doc = the.master.http()("GET", "/openapi.json").json
    assert doc["openapi"].startswith("3.1")
    count = 0
    for path, operations in doc["paths"].items():
        for method, operation in operations.items():
            concrete = path.replace("{id}", "nothing-here").replace("{name}", "file.bin")
            anonymous = Http(the.master.port, the.master.ca, None)
            a = anonymous(method.upper(), concrete, {} if method in ("post", "put", "patch") else None)
            assert a.status in ((200, 503) if operation.get("security") == [] else (401, 429)), (method, path, a)
            token = the.master.key if "admin" in operation.get("x-roles", ["admin"]) else the.probe.token
            if token == the.probe.token:
                concrete = concrete.replace("/nodes/nothing-here", "/nodes/" + the.probe.id)
            a = the.master.http(token)(method.upper(), concrete, {"zzz": 1} if method in ("post", "put", "patch") else None)
            assert a.status not in (404, 405) or (a.json and "no such path" not in a.json.get("detail", "no such path")), (method, path, a)
            assert a.status < 500, (method, path, a)
            count += 1
    assert count >= 45, count


def test_the_rest_of_the_api_answers_as_documented():
    h, n, id = the.master.http(), node(), submit()
    g = n.take()
    assert n.post("progress", {"job": id, "attempt": 1, "mark": 1, "progress": {"percent": 1}}).json["jobs"][0]["status"] == 200
    assert n.post("progress", {"jobs": [{"job": id, "attempt": 9}]}).json["jobs"][0]["status"] == 409
    assert h("GET", f"/api/v1/jobs/{id}/inputs").json["files"] == []
    assert [j["id"] for j in h("GET", f"/api/v1/nodes/{n.id}").json["jobs"]] == [id]
    assert h("DELETE", f"/api/v1/nodes/{n.id}").status == 409, "it runs a job"
    assert n.result(g).status == 200
    for verb in ("drain", "undrain", "cordon", "uncordon"):
        assert h("POST", f"/api/v1/nodes/{n.id}/{verb}", {"reason": "why not"}).status == 200
    assert n.id in [m["id"] for m in h("GET", "/api/v1/nodes?limit=1000").json["nodes"]]
    hook = h("POST", "/api/v1/webhooks", {"url": "https://hooks.example/x"})
    assert len(hook.json["secret"]) >= 32, "made for whoever brings none"
    assert hook.json["id"] in [w["id"] for w in h("GET", "/api/v1/webhooks").json["webhooks"]]
    assert h("POST", f"/api/v1/webhooks/{hook.json['id']}/replay", {"cursor": "0-0"}).json["cursor"] == "0-0"
    assert h("DELETE", f"/api/v1/webhooks/{hook.json['id']}").status == 200
    assert h("DELETE", f"/api/v1/webhooks/{hook.json['id']}").status == 404
    assert h("HEAD", f"/api/v1/jobs/{id}").status == 200
    assert h("GET", "/api/v1/openapi.json").json == h("GET", "/openapi.json").json
    assert h("DELETE", f"/api/v1/jobs/{id}").json["deleted"] is True
    assert h("DELETE", f"/api/v1/nodes/{n.id}").json["removed"] is True
    assert n.heartbeat([]).status == 401, "a removed node's token is good no more"


def test_slow_and_many_connections_do_not_stop_it():
    slow = []
    for i in range(200):
        s = socket.create_connection(("127.0.0.1", the.master.port), timeout=5)
        slow.append(s)
    assert the.master.http()("GET", "/health").status == 200
    began = time.time()
    while slow and time.time() < began + 30:
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
        raise AssertionError("a silent connection was kept for half a minute")
    [s.close() for s in slow]


def seconds_until_cut(first, drip, most=30):
    """Sends `first`, then a byte of `drip` now and then, until the master ends the connection."""
    context = ssl.create_default_context(cafile=the.master.ca)
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", the.master.port), timeout=10), server_hostname="127.0.0.1")
    s.sendall(first)
    began = time.time()
    while time.time() - began < most:
        s.settimeout(0.3)
        try:
            if s.recv(1) == b"":
                return time.time() - began
        except (TimeoutError, ssl.SSLWantReadError):
            pass
        except OSError:
            return time.time() - began
        try:
            s.settimeout(10)
            s.sendall(drip)
        except OSError:
            return time.time() - began
    raise AssertionError(f"kept for {most} s, a byte at a time")


def test_requests_that_dribble_are_cut_however_often_a_byte_comes():
    head = f"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {the.master.key}\r\n".encode()
    # The limits are 3 s for the header and 4 s for the body (context.py): not much earlier, and long before the idle timeout.
    assert seconds_until_cut(head + b"X-Slow: ", b"a") >= 2
    assert seconds_until_cut(head + b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{", b" ") >= 3
    assert the.master.http()("GET", "/health").status == 200


def test_ten_thousand_connections_of_one_key_are_bounded_and_others_served():
    if the.backend != "sqlite":
        return  # not about databases, and dear
    folder = scratch("flood")
    count = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 1000)
    most = count // 5
    other = Master(folder, config=f'[limits]\nconnections_per_key = {most}\nrequests_per_second = 0\nidle_timeout = "900s"\n').start()
    try:
        greedy = other.http()("POST", "/api/v1/keys", {"name": "greedy", "role": "submit"}).json["key"]
        flood = subprocess.Popen([os.path.join(BUILD, "ffrtmp_master_bench"), str(other.port), other.ca, greedy, "flood", str(count)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        slowest, served = 0, 0
        while not select.select([flood.stdout], [], [], 0)[0]:
            began = time.time()
            assert Http(other.port, other.ca, other.key)("GET", "/api/v1/jobs").status == 200
            slowest, served = max(slowest, time.time() - began), served + 1
        told = flood.stdout.readline()
        assert told == f"held {most} refused {count - most} lost 0\n", told
        assert served > 0, "nobody else was served meanwhile"
        eventually(lambda: f"ffrtmp_connections {most + 1}\n".encode() in other.http()("GET", "/metrics").raw)
        flood.communicate("\n")
        eventually(lambda: Http(other.port, other.ca, greedy)("GET", "/api/v1/jobs").status == 200, 30)
        print(f"# flood: {count} connections, {served} requests of another key meanwhile, the slowest {slowest:.2f} s")
    finally:
        other.kill()
        shutil.rmtree(folder)
