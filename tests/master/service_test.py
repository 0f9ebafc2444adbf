"""The master as a service: events, webhooks, its command line, its settings, its end."""
import hashlib, hmac, http.server, json, os, shutil, signal, socket, ssl, subprocess, threading, time, urllib.parse

from context import *


def test_events_stream_and_resume():
    start = the.master.http()("GET", "/api/v1/events?after=now").json["next"]
    s = socket.create_connection(("127.0.0.1", the.master.port), timeout=20)
    s = ssl.create_default_context(cafile=the.master.ca).wrap_socket(s, server_hostname="127.0.0.1")
    s.sendall(f"GET /api/v1/events?after={start} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer {the.master.key}\r\n\r\n".encode())
    ids = [submit() for _ in range(3)]
    text = b""
    until = time.time() + 20
    while not all(i.encode() in text for i in ids) and time.time() < until:
        text += s.recv(65536)
    s.close()
    assert all(i.encode() in text for i in ids), text
    def submitted():
        page = the.master.http()("GET", f"/api/v1/events?after={start}&limit=1000").json["events"]
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


def test_the_command_line_works_D59():
    env = dict(os.environ, MASTER_URL=f"https://127.0.0.1:{the.master.port}", MASTER_API_KEY=the.master.key, HOME="/nonexistent")
    env.pop("XDG_CONFIG_HOME", None)
    run = lambda *a: subprocess.run([FLEET] + list(a), env=env, capture_output=True, text=True, timeout=90)
    assert run("master", "ping").returncode == 1, "an authority that nobody vouched for"
    assert run("--ca-pin", the.master.pin, "master", "ping").stdout == "ready\n"
    bad = run("--ca-pin", "sha256:" + "0" * 64, "master", "ping")
    assert bad.returncode == 1 and "pin" in bad.stderr
    env["MASTER_CA"] = the.master.ca
    folder = scratch("cli")
    path = folder + "/clip.bin"
    data = os.urandom(5_000_000)
    open(path, "wb").write(data)
    made = run("jobs", "submit", the.type, path, "-p", "crf=20", "-p", "fast=true", "-p", 'sizes=["a",1]', "-p", "graph=[0:v]null", "--label", "a=b", "--require", "cores=2")
    assert made.returncode == 0, made
    id = made.stdout.strip()
    params = the.master.http()("GET", f"/api/v1/jobs/{id}").json["spec"]["params"]
    assert params == {"crf": 20, "fast": True, "sizes": ["a", 1], "graph": "[0:v]null"}, params
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
    waits = submit()
    eventually(lambda: "no node" in run("jobs", "why", waits).stdout)  # once the probe's lease has ended
    if os.path.exists(FFRTMP):  # and through the one command that people know
        assert subprocess.run([FFRTMP, "master", "ping"], env=env, capture_output=True, text=True).stdout == "ready\n"
        assert "--priority" in subprocess.run([FFRTMP, "jobs", "submit", "--help"], capture_output=True, text=True).stdout
    shutil.rmtree(folder)


def test_a_film_in_a_thousand_segments_is_listed_and_fetched_whole():
    n, id = node(), submit()
    g = n.take()
    data = b"segment"
    sha = hashlib.sha256(data).hexdigest()
    claim = [{"name": f"segment-{i:05}.ts", "size": len(data), "sha256": sha} for i in range(1105)]
    for file in claim:
        at = f"/api/v1/jobs/{id}/artifacts/{file['name']}?attempt=1"
        assert n.http("PUT", at, {"size": len(data), "sha256": sha}).status == 200
        assert n.http("PATCH", at, data, {"Upload-Offset": "0"}).status == 200
        n.heartbeat([g])
    assert n.result(g, artifacts=claim + [dict(claim[0], name="missing.ts")]).status == 422
    assert n.result(g, artifacts=claim).status == 200
    pages, cursor = [], ""
    while cursor is not None:
        page = the.master.http()("GET", f"/api/v1/jobs/{id}/artifacts?limit=500{cursor and '&cursor=' + urllib.parse.quote(cursor)}").json
        pages.append([f["name"] for f in page["files"]])
        cursor = page["next"]
    assert [len(p) for p in pages] == [500, 500, 105] and sum(pages, []) == [f["name"] for f in claim]
    assert the.master.http()("GET", f"/api/v1/jobs/{id}/artifacts?cursor=x").status == 422
    folder = scratch("segments")
    env = {**os.environ, "MASTER_URL": f"https://127.0.0.1:{the.master.port}", "MASTER_API_KEY": the.master.key, "MASTER_CA": the.master.ca}
    fetched = subprocess.run([FLEET, "jobs", "artifacts", id, "--fetch", folder], env=env, capture_output=True, text=True)
    assert fetched.returncode == 0, fetched
    assert sorted(os.listdir(folder)) == [f["name"] for f in claim]
    shutil.rmtree(folder)


def test_sighup_reloads_and_bad_settings_change_nothing():
    before = open(the.master.config).read()
    h = the.master.http()
    for text, words in (("nonsense = true\n", b"not reloaded"), (before, b"reloaded")):
        open(the.master.config, "w").write(text)
        the.master.process.send_signal(signal.SIGHUP)
        eventually(lambda: words in open(os.path.join(the.master.folder, "err"), "rb").read()[-400:])
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
    eventually(lambda: b"ffrtmp_parked_polls 1\n" in the.master.http()("GET", "/metrics").raw)
    began = time.time()
    assert the.master.stop() == 0 and time.time() - began < 25
    t.join(10)
    assert not t.is_alive()
    the.master.start()
