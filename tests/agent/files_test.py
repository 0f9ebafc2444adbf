#!/usr/bin/env python3
"""Inputs and outputs: roots, uploads, HTTP with resume, artifacts, PUT. Usage: files_test.py [NAME...]"""
from edge import *
import base64, hashlib, http.server, socket, socketserver, threading

F = None


class Web:
    """A web server with the faults that a test asks for."""
    def __init__(self, files=None):
        web = self
        self.files, self.asked, self.put, self.cut, self.fail = dict(files or {}), [], {}, 0, 0
        self.hold, self.holding = threading.Event(), 0  # while it is not set, a PUT of a "slow" file is read at 10 kB a second
        self.hold.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                web.asked.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
                path = self.path.split("?")[0]
                if path.startswith("/redirect/"):
                    self.send_response(302)
                    self.send_header("Location", path[len("/redirect"):])
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                if path not in web.files or web.fail > 0:
                    web.fail -= 1
                    self.send_response(404 if path not in web.files else 503)
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                data, start = web.files[path], 0
                if self.headers.get("Range"):
                    start = int(self.headers["Range"].split("=")[1].split("-")[0])
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                else:
                    self.send_response(200)
                self.send_header("Content-Length", str(len(data) - start))
                self.send_header("ETag", '"' + hashlib.sha256(data).hexdigest()[:8] + '"')
                self.end_headers()
                part = data[start:]
                if web.cut > 0:  # the connection breaks in the middle
                    web.cut -= 1
                    self.wfile.write(part[:len(part) // 2])
                    self.wfile.flush()
                    self.connection.shutdown(2)
                    self.close_connection = True
                    return
                self.wfile.write(part)

            def do_PUT(self):
                slow = "slow" in self.path
                web.holding += slow and not web.hold.is_set()
                length, data = int(self.headers["Content-Length"]), b""
                while slow and not web.hold.wait(0.1):
                    data += self.rfile.read1(min(1000, length - len(data))) if len(data) < length else b""
                data += self.rfile.read(length - len(data))
                web.asked.append((self.path, "PUT", self.headers.get("Authorization")))
                status = 403 if "refuse" in self.path else 200
                if status == 200:
                    web.put[self.path] = data
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

            def server_bind(self):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
                super().server_bind()

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Line:
    """A slow line to a TCP server: so many bytes a second from this side. A connection may fall silent in the midst of what it carries."""
    def __init__(self, port, bytes_a_second):
        self.port, self.rate = port, bytes_a_second
        self.silence_after = None  # bytes of one connection
        self.silenced, self.carried = 0, 0
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)  # what lies in it has not crossed the line yet
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(50)
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                there = socket.create_connection(("127.0.0.1", self.port))
                threading.Thread(target=self.carry, args=(here, there), daemon=True).start()
                threading.Thread(target=self.answer, args=(there, here), daemon=True).start()

    def carry(self, here, there):
        total = 0
        with contextlib.suppress(OSError):
            while data := here.recv(2048):
                total += len(data)
                if self.silence_after and total > self.silence_after:
                    self.silenced += 1
                    self.silence_after = None
                    return
                time.sleep(len(data) / self.rate)
                there.sendall(data)
                self.carried += len(data)
            there.shutdown(socket.SHUT_WR)

    def answer(self, there, here):
        with contextlib.suppress(OSError):
            while data := there.recv(65536):
                here.sendall(data)
            here.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.close()


def bytes_of(path):
    return open(path, "rb").read()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def hash_of(job):
    return json.dumps(job["result"]["job"]["data"])


def test_http_input_that_breaks_in_the_middle_is_resumed():
    data = os.urandom(3 << 20)
    web = Web({"/big.bin": data})
    web.cut = 2
    a = F.agent(args=["--allow-inward-urls"]).start()
    job = F.wait(F.submit(type="hash", input=f"{web.url}/big.bin?X-Amz-Signature=SECRETSIG#sha256={sha(data)}"), "succeeded", "failed")
    assert job["state"] == "succeeded" and sha(data) in hash_of(job), job
    ranges = [r for _, r, _ in web.asked]
    assert ranges[0] is None and all(r and int(r.split("=")[1][:-1]) > 0 for r in ranges[1:]) and len(ranges) == 3, ranges
    # The master's token is for the master alone.
    assert all(auth is None for _, _, auth in web.asked), web.asked
    a.close()


def test_http_input_with_a_wrong_digest_is_refused():
    web = Web({"/x.bin": b"not what you think"})
    a = F.agent(args=["--allow-inward-urls"]).start()
    id = F.submit(type="hash", input=f"{web.url}/x.bin#sha256={'0' * 64}", max_attempts=4)
    job = F.wait(id, "failed")
    assert "digest" in job["reason"] and len(F.attempts(id)) == 1, job
    a.close()


def test_http_input_after_a_redirect_and_a_busy_server():
    data = b"hello" * 1000
    web = Web({"/x.bin": data})
    web.fail = 1
    a = F.agent(args=["--allow-inward-urls"]).start()
    job = F.wait(F.submit(type="hash", input=f"{web.url}/redirect/x.bin"), "succeeded")
    assert sha(data) in hash_of(job)
    gone = F.wait(F.submit(type="hash", input=f"{web.url}/gone.bin", max_attempts=3), "failed")
    assert "404" in gone["reason"], gone
    a.close()


def test_inputs_at_loopback_are_refused_unless_allowed():
    web = Web({"/x.bin": b"metadata"})
    a = F.agent().start()
    id = F.submit(type="hash", input=f"{web.url}/x.bin")
    job = F.wait(id, "failed")
    assert not web.asked, web.asked
    a.close()


def test_uploaded_inputs():
    data = bytes_of(film())
    a = F.agent().start()
    http = F.master.http()
    answer = http("POST", "/api/v1/jobs", {"type": "transcode", "output": "o.mp4", "params": {"height": 60, "preset": "ultrafast"},
                                           "inputs": [{"name": "my film.mp4", "size": len(data), "sha256": sha(data)}]})
    assert answer.status == 201, answer
    id = answer.json["id"]
    up = http("PATCH", f"/api/v1/jobs/{id}/inputs/my%20film.mp4", data, {"Upload-Offset": "0", "Content-Type": "application/octet-stream"})
    assert up.status == 200, up
    F.wait(id, "succeeded")
    assert len(F.artifact(id, "o.mp4")) > 1000
    # The command line uploads a local file, and names it as the input as well.
    out = subprocess.run([os.path.join(BUILD, "ffrtmp-fleet"), "jobs", "--master", f"https://127.0.0.1:{F.master.port}", "--ca", F.master.ca,
                          "--api-key-file", a.key, "submit", "hash", film(), "--wait"], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out
    a.close()


def test_large_artifacts_go_in_pieces_and_survive_a_killed_agent():
    a = F.agent(args=["--allow-exec"]).start()
    # A copy of a film that is long enough for several pieces of 4 MiB.
    big = f"{a.folder}/big.ts"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "nullsrc=s=1280x720:r=25:d=4,geq=random(1)*255:128:128", "-c:v", "mpeg2video",
                    "-q:v", "2", "-f", "mpegts", big], check=True)
    assert os.path.getsize(big) > 9 << 20, os.path.getsize(big)
    id = F.submit(type="transcode", input=big, output="copy.mkv", params={"codec": "copy"})
    eventually(lambda: F.master.http()("GET", f"/api/v1/jobs/{id}/artifacts").json["files"], 60, 0.01)
    a.kill()
    a.start()
    F.wait(id, "succeeded")
    files = F.master.http()("GET", f"/api/v1/jobs/{id}/artifacts").json["files"]
    assert len(files) == 1 and files[0]["sha256"] == sha(F.artifact(id, "copy.mkv")) and files[0]["size"] > 9 << 20
    a.close()


def test_folders_become_artifacts():
    a = F.agent().start()
    id = F.submit(type="thumbnail", input=in_folder(a, film()), params={"sizes": [32, 64]})
    F.wait(id, "succeeded")
    names = sorted(f["name"] for f in F.master.http()("GET", f"/api/v1/jobs/{id}/artifacts").json["files"])
    assert len(names) == 2 and all(n.startswith("output__") and n.endswith(".jpg") for n in names), names
    a.close()


def test_local_output_inside_a_root_and_nowhere_else():
    a = F.agent().start()
    source = in_folder(a, film())
    good = F.wait(F.submit(type="transcode", input=source, output=f"{a.folder}/out.mp4", params={"height": 60}), "succeeded")
    assert os.path.getsize(f"{a.folder}/out.mp4") > 1000, good
    outside = scratch("outside")
    os.symlink(outside, f"{a.folder}/link")
    for output in (f"{outside}/out.mp4", f"{a.folder}/../{os.path.basename(outside)}/out.mp4", f"{a.folder}/link/out.mp4"):
        job = F.wait(F.submit(type="transcode", input=source, output=output, max_attempts=1), "failed")
        assert "folder" in job["reason"], job
    open(f"{outside}/in.bin", "wb").write(b"secret")
    os.symlink(f"{outside}/in.bin", f"{a.folder}/in.bin")
    for input in (f"{outside}/in.bin", f"{a.folder}/in.bin", f"{a.folder}/../{os.path.basename(outside)}/in.bin", "/etc/passwd"):
        job = F.wait(F.submit(type="hash", input=input, max_attempts=1), "failed")
        assert "folder" in job["reason"] or "folders" in job["reason"], job
    assert os.listdir(outside) == ["in.bin"]
    shutil.rmtree(outside)
    a.close()


def test_put_to_a_signed_address():
    web = Web()
    a = F.agent(args=["--allow-inward-urls"]).start()
    source = in_folder(a, film())
    ok = F.wait(F.submit(type="transcode", input=source, output=f"{web.url}/bucket/o.mp4?X-Amz-Signature=SIG123", params={"height": 60}))
    assert ok["state"] == "succeeded", ok
    data = web.put["/bucket/o.mp4?X-Amz-Signature=SIG123"]
    assert len(data) > 1000 and sha(data) == ok["result"]["job"]["outputs"][0]["sha256"]
    assert all(auth is None for _, _, auth in web.asked), "our token went to a stranger"
    bad = F.wait(F.submit(type="transcode", input=source, output=f"{web.url}/refuse/o.mp4?X-Amz-Signature=SIG123", params={"height": 60}, max_attempts=1))
    assert bad["state"] == "failed" and "403" in bad["reason"] and "SIG123" not in bad["reason"], bad
    a.close()


def film_of(a, size, name="noise.ts"):
    """An input whose copy is about so large."""
    out = f"{a.folder}/{name}"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "nullsrc=s=640x360:r=25:d=60,geq=random(1)*255:128:128", "-c:v", "mpeg2video",
                    "-q:v", "2", "-fs", str(size), "-f", "mpegts", out], check=True)
    assert os.path.getsize(out) > size * 0.9, os.path.getsize(out)
    return out


def artifact_of(id):
    files = F.master.http()("GET", f"/api/v1/jobs/{id}/artifacts").json["files"]
    return files[0] if files else {"received": 0, "state": "none"}


def test_a_result_does_not_wait_behind_a_file_on_a_slow_line():
    a = F.agent()
    line = Line(F.master.port, 100_000)
    a.masters = [line.url]
    a.start()
    big = F.submit(type="transcode", input=film_of(a, 2_500_000), output="copy.mkv", params={"codec": "copy"})
    eventually(lambda: artifact_of(big)["received"] > 0, 60)
    quick = F.wait(F.submit(type="hash", input=in_folder(a, film())), timeout=60)
    now = artifact_of(big)
    assert quick["state"] == "succeeded" and now["state"] != "complete" and now["received"] < 2_000_000, (quick["state"], now)
    F.wait(big, "succeeded", timeout=120)
    assert artifact_of(big)["sha256"] == sha(F.artifact(big, "copy.mkv"))
    a.close()
    line.close()


def test_a_slow_line_does_not_cost_a_job_that_was_in_time():
    with Fleet(QUICK.replace("[timers]", '[timers]\nrun_slack = "1s"')) as fleet:
        a = fleet.agent()
        line = Line(fleet.master.port, 100_000)
        a.masters = [line.url]
        a.start()
        began = time.monotonic()
        id = fleet.submit(type="transcode", input=film_of(a, 2_000_000), output="copy.mkv", params={"codec": "copy"}, run_timeout_s=8, max_attempts=1)
        eventually(lambda: "delivers" in fleet.master.http()("GET", f"/api/v1/jobs/{id}/why").json["why"], 60)
        fleet.wait(id, "succeeded", timeout=120)
        assert time.monotonic() - began > 12  # else it shows nothing
        line.close()


def test_an_upload_that_falls_silent_goes_on_over_another_connection():
    a = F.agent()
    line = Line(F.master.port, 1_000_000)
    a.masters = [line.url]
    a.start()
    source = film_of(a, 2_500_000)
    line.silence_after = 1_000_000
    began = time.monotonic()
    id = F.submit(type="transcode", input=source, output="copy.mkv", params={"codec": "copy"})
    F.wait(id, "succeeded", timeout=200)
    # The agent's limit is 20 s; that of a whole piece, 300.
    assert line.silenced == 1 and time.monotonic() - began < 150, (line.silenced, time.monotonic() - began)
    # What had arrived was not sent again.
    assert line.carried < 2_500_000 + 1_500_000, line.carried
    assert artifact_of(id)["sha256"] == sha(F.artifact(id, "copy.mkv"))
    a.close()
    line.close()


def test_a_store_that_is_slow_or_gone_holds_up_nobody_else():
    store, gone = Web(), socket.socket()
    gone.bind(("127.0.0.1", 0))  # nobody listens there
    a = F.agent(args=["--allow-inward-urls"], slots=3).start()
    source = in_folder(a, film())
    put = lambda base, name: F.submit(type="transcode", input=source, output=f"{base}/{name}?X-Amz-Signature=SIG", params={"height": 60})
    lost = put(f"http://127.0.0.1:{gone.getsockname()[1]}", "lost.mp4")
    eventually(lambda: "not told yet" in a.errors() and lost in a.errors(), 60)
    # Another store's file goes ahead of the one that cannot be delivered.
    assert F.wait(put(store.url, "first.mp4"))["state"] == "succeeded"
    # While a store takes its time, the master hears of what else ends.
    store.hold.clear()
    slow = put(store.url, "slow.mp4")
    eventually(lambda: store.holding, 60)
    assert F.wait(F.submit(type="hash", input=source))["state"] == "succeeded"
    assert F.wait(F.submit(type="transcode", input=source, output="here.mp4", params={"height": 60}))["state"] == "succeeded"
    assert F.job(slow)["state"] == "running" and F.job(lost)["state"] == "running"
    store.hold.set()
    assert F.wait(slow)["state"] == "succeeded"
    # What cannot be delivered can be called off, and leaves nothing.
    why = F.master.http()("GET", f"/api/v1/jobs/{lost}/why").json["why"]
    assert "delivers" in why and "127.0.0.1" in why, why
    assert F.master.http()("POST", f"/api/v1/jobs/{lost}/cancel", {}).status == 200
    assert F.wait(lost)["state"] == "cancelled"
    eventually(lambda: not a.work_folders())
    assert sorted(path.split("?")[0] for path in store.put) == ["/first.mp4", "/slow.mp4"]
    a.close()
    gone.close()


def test_a_cancelled_upload_to_a_store_is_broken_off():
    store = Web()
    store.hold.clear()
    a = F.agent(args=["--allow-inward-urls"]).start()
    # More than lies in the buffers of a connection.
    id = F.submit(type="transcode", input=film_of(a, 12_000_000), output=f"{store.url}/slow.mkv?X-Amz-Signature=SIG", params={"codec": "copy"})
    eventually(lambda: store.holding, 60)
    assert F.master.http()("POST", f"/api/v1/jobs/{id}/cancel", {}).status == 200
    assert F.wait(id)["state"] == "cancelled"
    # The next one has the line, long before a store so slow had taken the first.
    assert F.wait(F.submit(type="transcode", input=in_folder(a, film()), output=f"{store.url}/next.mp4", params={"height": 60}))["state"] == "succeeded"
    assert list(store.put) == ["/next.mp4"]
    store.hold.set()
    a.close()


def test_secrets_show_nowhere_but_in_the_workload():
    web = Web({"/live/KEYKEYKEY": b"x" * 5000})
    a = F.agent(args=["--allow-inward-urls", "--log-level", "debug", "--allow-exec"]).start()
    secret = f"{web.url}/live/KEYKEYKEY?token=TOKTOKTOK&signature=SIGSIGSIG"
    id = F.submit(type="hash", input=secret)
    F.wait(id)
    id2 = F.submit(type="exec", params={"command": ["sh", "-c", "echo rtmp://h/app/STREAMKEY rtmp://h/app/STREAMKEY?token=TOKTOKTOK; sleep 2; exit 3"]},
                   max_attempts=1)
    eventually(lambda: [r for r in a.runs() if r.get("state") == "running"])
    shown = ""
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            with contextlib.suppress(OSError):
                line = open(f"/proc/{pid}/cmdline").read()
                if "ffrtmp" in line or "agent" in line.split("\0")[0]:
                    shown += line
    F.wait(id2)
    token = json.load(open(a.state + "/identity.json"))["token"]
    text = {"log": open(a.log).read(), "node": a.get("/node")[1], "metrics": a.get("/metrics")[1], "arguments": shown,
            "jobs": json.dumps([F.job(id), F.job(id2)]), "logs": F.logs(id2), "ps": a.ffrtmp("ps", "--all", "--json").stdout}
    for where, content in text.items():
        for word in ("TOKTOKTOK", "SIGSIGSIG", token, F.master.key):
            assert word not in content, (where, word)
    assert "STREAMKEY" not in text["logs"] and "***" in text["logs"], text["logs"]
    for folder, _, names in os.walk(a.state):
        assert os.stat(folder).st_mode & 0o077 == 0, folder
    for name in ("identity.json", "agent.db"):
        assert os.stat(f"{a.state}/{name}").st_mode & 0o077 == 0, name
    a.close()


if __name__ == "__main__":
    main(globals(), "allow_inward_urls = true\n" + QUICK)
