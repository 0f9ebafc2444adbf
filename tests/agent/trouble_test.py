#!/usr/bin/env python3
"""Masters that are none, keys that are wrong, state that is damaged, hosts that were restarted. Usage: trouble_test.py [NAME...]"""
from edge import *
import http.server, socket, socketserver, sqlite3, ssl, threading

F = None


def one_line(a, words, timeout=30):
    """The agent ends with one line that says so."""
    eventually(lambda: a.process.poll() is not None, timeout)
    last = a.errors().strip().splitlines()[-1]
    assert a.process.returncode in (1, 2) and last.startswith("ffrtmp-agent: "), (a.process.returncode, last)
    for word in words:
        assert word in last, (word, last)


def told(a, *words, timeout=30):
    eventually(lambda: all(w in a.errors() for w in words), timeout)


class Stranger:
    """A TLS server under the master's own certificate that speaks what a test wants."""
    def __init__(self, handle, cert=None):
        folder = F.master.state + "/tls"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = cert or next((f"{folder}/{c}", f"{folder}/{k}") for c, k in (("server.crt", "server.key"), ("tls.crt", "tls.key"))
                            if os.path.exists(f"{folder}/{c}"))
        context.load_cert_chain(*pair)
        stranger = self
        self.count = 0

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    connection = context.wrap_socket(self.request, server_side=True)
                    head = b""
                    while b"\r\n\r\n" not in head:
                        piece = connection.recv(65536)
                        if not piece:
                            return
                        head += piece
                    stranger.count += 1
                    handle(connection)
                    connection.close()

        class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
            daemon_threads, allow_reuse_address = True, True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def answer(body, type="application/json", status="200 OK", length=None):
    def handle(connection):
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Type: {type}\r\nContent-Length: {length or len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
    return handle


def test_wrong_key():
    a = F.agent(key="ffk_nobody_0000")
    a.start(wait=False)
    one_line(a, ["joining the fleet", "API key"])


def test_wrong_settings_are_one_line():
    for args, words in ((["--master", "ftp://x"], ["not the URL of a master"]), (["--master", "https://h/path"], ["without a path"]),
                        (["--ca-pin", "sha256:12"], ["--ca-pin"]), (["--max-concurrent-jobs", "none"], ["--max-concurrent-jobs"]),
                        (["--label", "=x"], ["--label"]), (["--config", "/nonexistent.toml"], ["/nonexistent.toml"]), (["--nonsense"], ["--nonsense"])):
        out = subprocess.run([AGENT, "--master", "https://127.0.0.1:1", "--api-key", "k", *args], capture_output=True, text=True)
        assert out.returncode == 2 and out.stdout == "" and out.stderr.count("\n") == 1, (args, out)
        assert all(w in out.stderr for w in words), (args, out.stderr)
    folder = scratch("toml")
    with open(folder + "/a.toml", "w") as f:
        f.write('master = "https://h:1"\nmax-concurent-jobs = 3\n')
    out = subprocess.run([AGENT, "--check", "--config", folder + "/a.toml"], capture_output=True, text=True)
    assert out.returncode == 2 and "a.toml:2:" in out.stderr and "max-concurrent-jobs" in out.stderr, out.stderr
    shutil.rmtree(folder)


def test_wrong_pin_and_wrong_authority():
    a = F.agent()
    a.master = type("M", (), dict(vars(F.master), ca=F.master.ca))()
    a.start(wait=False)
    told(a, "joined")
    a.stop()
    wrong = F.agent(args=["--state-dir", scratch("pin")])
    command = [AGENT, "--master", f"https://127.0.0.1:{F.master.port}", "--ca-pin", "sha256:" + "0" * 64, "--api-key-file", wrong.key,
               "--state-dir", wrong.state, "--metrics-listen", "none"]
    process = subprocess.Popen(command, stderr=open(wrong.log, "ab"))
    told(wrong, "no certificate with the pin")
    process.terminate()
    process.wait()
    other = scratch("ca")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", other + "/k", "-out",
                    other + "/c", "-subj", "/CN=other", "-days", "2"], check=True, capture_output=True)
    command[command.index("--ca-pin"):command.index("--ca-pin") + 2] = ["--ca", other + "/c"]
    open(wrong.log, "w").close()
    process = subprocess.Popen(command, stderr=open(wrong.log, "ab"))
    told(wrong, "no word from a master", "certificate")
    process.terminate()
    process.wait()
    good = command[:]
    good[good.index("--ca"):good.index("--ca") + 2] = ["--ca-pin", F.master.pin]
    open(wrong.log, "w").close()
    process = subprocess.Popen(good, stderr=open(wrong.log, "ab"))
    told(wrong, "joined")
    process.terminate()
    process.wait()
    shutil.rmtree(other)


def test_the_systems_authorities_do_not_count_beside_ours():
    if os.geteuid() != 0:
        return print("# needs root: its own mount namespace")
    folder = scratch("authorities")
    run = lambda *argv: subprocess.run(argv, check=True, capture_output=True, cwd=folder)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k", "-out", "c", "-subj", "/CN=public", "-days", "2",
        "-addext", "subjectAltName=IP:127.0.0.1")
    system = folder + "/certs"
    os.mkdir(system)
    shutil.copy(folder + "/c", system + "/public.pem")
    run("openssl", "rehash", system)
    stranger = Stranger(answer(b"{}"), (folder + "/c", folder + "/k"))
    log = folder + "/log"
    command = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/ssl/certs && exec "$@"', system, AGENT, "--master", stranger.url, "--api-key", "k",
               "--state-dir", folder + "/state", "--metrics-listen", "none"]
    for extra, passes in ((["--ca", F.master.ca], False), ([], True)):
        process = subprocess.Popen(command + extra, stderr=open(log, "wb"))
        eventually(lambda: "no word from a master" in open(log).read())
        text = open(log).read()
        process.kill()
        process.wait()
        assert ("certificate" in text) != passes and (stranger.count > 0) == passes, (extra, text)
    shutil.rmtree(folder)


def test_expired_certificate():
    folder = scratch("expired")
    run = lambda *argv: subprocess.run(argv, check=True, capture_output=True, cwd=folder)
    with open(folder + "/conf", "w") as f:
        f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nx509_extensions=x\n[p]\n"
                "commonName=supplied\n[x]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=CA:TRUE\n")
    open(folder + "/index", "w").close()
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k", "-out", "r", "-subj", "/CN=127.0.0.1")
    run("openssl", "ca", "-config", "conf", "-selfsign", "-batch", "-create_serial", "-keyfile", "k", "-in", "r", "-out", "c", "-notext",
        "-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
    stranger = Stranger(answer(b"{}"), (folder + "/c", folder + "/k"))
    a = F.agent()
    command = [AGENT, "--master", stranger.url, "--ca", folder + "/c", "--api-key-file", a.key, "--state-dir", a.state, "--metrics-listen", "none"]
    process = subprocess.Popen(command, stderr=open(a.log, "ab"))
    told(a, "no word from a master", "xpir")
    assert stranger.count == 0
    process.terminate()
    process.wait()
    shutil.rmtree(folder)


def strangers_say(handle, *words):
    stranger = Stranger(handle)
    a = F.agent()
    a.masters = [stranger.url]
    a.start(wait=False)
    told(a, *words)
    assert a.process.poll() is None, a.errors()
    assert "warning no word from a master" in a.errors()
    a.kill()
    # With a true master beside it, the work goes on.
    a.masters = [stranger.url, f"https://127.0.0.1:{F.master.port}"]
    a.start(wait=False)
    told(a, "joined")
    a.stop()


def test_captive_portal():
    strangers_say(answer(b"<html><body>Please log in to AirportWifi</body></html>", "text/html"), "a web page", "captive portal")


def test_garbage_with_status_200():
    strangers_say(answer(b"\x00\xff\xfe rubbish"), "is this a master")


def test_another_api_with_status_200():
    strangers_say(answer(b'{"hello": "world"}'), "something else than was asked")


def test_half_an_answer():
    strangers_say(answer(b'{"id": "n-1", "tok', length=5000), "no word from a master")


def test_a_master_that_never_answers_does_not_hold_the_others_up():
    def handle(connection):
        time.sleep(120)
    stranger = Stranger(handle)
    a = F.agent(args=["--allow-exec"])
    a.start()
    eventually(lambda: a.node()["master_reached"])
    a.stop()
    a.masters = [f"https://127.0.0.1:{F.master.port}", stranger.url]
    a.start()
    F.wait(F.submit(type="exec", params={"command": ["true"]}), "succeeded")
    a.close()


def test_a_forgetful_master_is_joined_anew():
    a = F.agent(args=["--allow-exec"]).start()
    eventually(lambda: a.node()["master_reached"])
    node = a.node()["node"]
    assert F.master.http()("DELETE", f"/api/v1/nodes/{node}?force=true").status == 200
    eventually(lambda: a.node()["node"] != node and a.node()["master_reached"], 30)
    F.wait(F.submit(type="exec", params={"command": ["true"]}), "succeeded")
    a.close()


def test_two_agents_with_one_state_folder():
    a = F.agent().start()
    again = subprocess.run(a.command(), capture_output=True, text=True, timeout=30)
    assert again.returncode == 1 and "another agent uses the state folder" in again.stderr, again
    a.close()


def test_a_copied_identity_is_refused():
    a = F.agent().start()
    eventually(lambda: a.node()["node"])
    a.stop()
    copy = F.agent()
    shutil.copytree(a.state, copy.state)
    copy.start(wait=False)
    one_line(copy, ["copy of another node", "identity.json"])
    a.close()


def test_the_second_of_two_agents_gets_no_work():
    a = F.agent().start()
    eventually(lambda: a.node()["master_reached"])
    # As a snapshot of a virtual machine is: the same machine's mark, the same folder's.
    copy = F.agent()
    shutil.copytree(a.state, copy.state)
    identity = json.load(open(copy.state + "/identity.json"))
    identity["machine"] = identity["folder"] = ""
    json.dump(identity, open(copy.state + "/identity.json", "w"))
    copy.start()
    told(copy, "the master refuses the heartbeat", "another agent speaks as this node")
    done = [F.submit(type="probe", input=in_folder(a, film())) for _ in range(3)]
    for id in done:
        assert F.wait(id)["state"] == "succeeded", F.job(id)
    assert not any(r["job_id"].startswith("a-") for r in copy.runs()), copy.runs()
    # Alone again, it is let in.
    a.kill()
    id = F.submit(type="probe", input=in_folder(copy, film()))
    assert F.wait(id)["state"] == "succeeded", F.job(id)


def test_damaged_state_is_set_aside_and_jobs_are_recovered():
    a = F.agent(args=["--allow-exec"], slots=3).start()
    witness = [f"{a.folder}/w{i}" for i in range(2)]
    ids = [F.submit(type="exec", params={"command": ["sh", "-c", f"echo started >>{w}; sleep {s}; echo ended >>{w}"]}) for w, s in zip(witness, (0.7, 4))]
    eventually(lambda: all(os.path.exists(w) for w in witness))
    a.kill()
    eventually(lambda: open(witness[0]).read().split() == ["started", "ended"])
    time.sleep(0.5)
    for end in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(a.state + "/agent.db" + end)
    with open(a.state + "/agent.db", "r+b") as f:
        f.write(b"this is no database" * 300)
    a.start()
    assert "set aside" in a.errors() and [n for n in os.listdir(a.state) if n.startswith("agent.db.damaged-")], a.errors()
    for id, w in zip(ids, witness):
        assert F.wait(id)["state"] == "succeeded" and open(w).read().split() == ["started", "ended"]
        # The lease of these tests is a second: the job may have been offered anew. Its first attempt wins all the same.
        assert [t["state"] for t in F.attempts(id)][0] == "succeeded", F.attempts(id)
    a.close()


def test_removed_state_database():
    a = F.agent(args=["--allow-exec"]).start()
    w = f"{a.folder}/w"
    id = F.submit(type="exec", params={"command": ["sh", "-c", f"echo started >>{w}; sleep 2; echo ended >>{w}"]})
    eventually(lambda: os.path.exists(w))
    a.kill()
    for name in os.listdir(a.state):
        if name.startswith("agent.db"):
            os.unlink(f"{a.state}/{name}")
    a.start()
    assert F.wait(id)["state"] == "succeeded" and open(w).read().split() == ["started", "ended"]
    a.close()


def test_a_newer_state_is_left_alone():
    a = F.agent().start()
    a.stop()
    with sqlite3.connect(a.state + "/agent.db") as db:
        db.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    a.start(wait=False)
    one_line(a, ["another version"])


def test_after_a_reboot_the_old_attempts_are_reported():
    # A lease of seven seconds, so that the node is back before it is given up.
    with Fleet(QUICK.replace('"900ms"', '"2s"')) as fleet:
        after_a_reboot(fleet)


def after_a_reboot(F):
    a = F.agent(args=["--allow-exec"]).start()
    id = F.submit(type="exec", params={"command": ["sleep", "60"]}, max_attempts=1)
    done = F.submit(type="exec", params={"command": ["sh", "-c", "sleep 1.5"]})
    eventually(lambda: len([r for r in a.runs() if r.get("state") == "running"]) == 2)
    a.kill()
    eventually(lambda: len([r for r in a.runs() if r.get("state") == "running"]) == 1)
    # What a reboot leaves: /run is empty, processes are gone, the attempts are of another boot.
    for run in a.runs():
        if run["state"] == "running":
            a.ffrtmp("stop", "--grace", "100ms", run["job_id"])
    for name in os.listdir(a.state + "/work"):
        if id in name:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{a.state}/work/{name}/result.json")
    shutil.rmtree(a.jobs_dir)
    with sqlite3.connect(a.state + "/agent.db") as db:
        db.execute("UPDATE attempts SET boot_id = 'of-another-boot'")
    a.start()
    job = F.wait(id)
    assert job["state"] == "failed" and "restarted" in job["reason"], job
    # The one that had ended before has its result in the work folder, which is on a disk.
    assert F.wait(done)["state"] == "succeeded" and F.attempts(done)[0]["state"] == "succeeded"
    a.close()


def test_a_full_disk_takes_no_work():
    a = F.agent(args=["--allow-exec"], config='disk-reserve = "1000T"\n').start()
    status, text = a.get("/ready")
    eventually(lambda: a.node()["node"])
    assert "disk" in a.get("/ready")[1] and a.get("/ready")[0] == 503, a.get("/ready")
    id = F.submit(type="exec", params={"command": ["true"]})
    time.sleep(1.5)
    assert F.job(id)["state"] == "queued"
    a.stop()
    a.config = None
    a.start()
    F.wait(id, "succeeded")
    a.close()


if __name__ == "__main__":
    main(globals())
