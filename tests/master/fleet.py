"""What the master's tests share: a master as a process, HTTPS to it, a node as an object, a private PostgreSQL."""
import copy, gzip, http.client, json, os, pwd, random, re, shutil, signal, socket, ssl, subprocess, sys, tempfile, time, traceback

try:
    import contract
except ImportError:  # no python3-jsonschema: tests of others than the master may do without
    contract = None

BUILD = os.environ.get("FFRTMP_BIN") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bin")
MASTER = os.path.join(BUILD, "master")
FLEET = os.path.join(BUILD, "ffrtmp-fleet")
FFRTMP = os.path.join(BUILD, "ffrtmp")


class Master:
    def __init__(self, folder, db=None, port=0, config="", args=(), env=None, state=None, host="127.0.0.1"):
        self.folder, self.db, self.port, self.args, self.extra = folder, db, port, list(args), dict(env or {})
        self.host = host
        self.state = state or os.path.join(folder, "state")
        os.makedirs(self.state, exist_ok=True)
        self.config = os.path.join(folder, "master.toml")
        with open(self.config, "w") as f:
            f.write(config)
        self.process = None

    def start(self, wait=True, timeout=40):
        env = dict(os.environ, **self.extra)
        if self.db:
            env["FFRTMP_MASTER_DB"] = self.db
        self.out = open(os.path.join(self.folder, "out"), "wb+")
        self.err = open(os.path.join(self.folder, "err"), "ab+")
        self.process = subprocess.Popen(
            [MASTER, "--listen", f"{self.host}:{self.port}", "--state-dir", self.state, "--config", self.config] + self.args,
            stdout=self.out, stderr=self.err, env=env)
        if not wait:
            return self
        until = time.time() + timeout
        while time.time() < until:
            text = open(os.path.join(self.folder, "out")).read()
            found = re.search(r"listening on (https?)://[^:]*:(\d+)\n", text)
            if found and ("CA pin" in text or "--tls-cert" in self.args or found[1] == "http"):
                self.port = int(found[2])
                pin = re.search(r"CA pin: (\S+)", text)
                self.pin = pin[1] if pin else ""
                self.ca = os.path.join(self.state, "tls/ca.crt")
                key = os.path.join(self.state, "admin.key")
                if os.path.exists(key):
                    self.key = open(key).read().strip()
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.03)
        raise RuntimeError("the master did not start: " + self.errors())

    def errors(self):
        return open(os.path.join(self.folder, "err")).read()[-20000:]

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def stop(self, timeout=40):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return -9
        return self.process.returncode if self.process else None

    def http(self, token=None, timeout=30):
        return Http(self.port, self.ca, token or self.key, timeout)

    def node(self, name, **caps):
        return Node(self, name, caps)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.raw = status, headers, body
        try:
            self.json = json.loads(body)
        except ValueError:
            self.json = None

    def __repr__(self):
        return f"{self.status} {self.raw[:400]!r}"


class Http:
    """One kept-alive connection. Raises OSError or HTTPException when the network fails. What comes back is held to the contract."""
    contexts = {}

    def __init__(self, port, ca, token, timeout=30):
        self.port, self.ca, self.token, self.timeout = port, ca, token, timeout
        if ca not in Http.contexts:
            Http.contexts[ca] = ssl.create_default_context(cafile=ca)
        self.context = Http.contexts[ca]
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def __call__(self, method, path, body=None, headers=None):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=self.timeout)
        sent = body
        send = {"Authorization": "Bearer " + self.token} if self.token else {}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            send["Content-Type"] = "application/json"
        send.update(headers or {})
        try:
            self.connection.request(method, path, body, send)
            answer = self.connection.getresponse()
            out = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
            if answer.will_close:
                self.close()
            if contract:
                self.hold_to_contract(method, path, sent, send, out)
            return out
        except BaseException:
            self.close()
            raise


    def hold_to_contract(self, method, path, sent, headers, answer):
        kept = contract.of(self.document)
        raw = gzip.decompress(answer.raw) if answer.headers.get("content-encoding") == "gzip" else answer.raw
        kept.check(method, path, sent, headers, answer.status, answer.headers, raw)

    def document(self):
        c = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=self.timeout)
        c.request("GET", "/openapi.json")
        try:
            return c.getresponse().read()
        finally:
            c.close()


class Node:
    held = ()  # what it has accepted and not ended

    def __init__(self, master, name, caps):
        self.master, self.name = master, name
        self.caps = dict({"cores": 8, "memory_bytes": 1 << 34, "disk_bytes": 1 << 40, "max_jobs": 8}, **caps)
        self.session, self.boot, self.beat = os.urandom(4).hex(), os.urandom(8).hex(), 0
        answer = master.http()("POST", "/api/v1/nodes/register", {
            "name": name, "nonce": os.urandom(12).hex(), "boot_id": self.boot, "capabilities": self.caps})
        assert answer.status == 201, answer
        self.id, self.token = answer.json["id"], answer.json["token"]
        self.http = master.http(self.token, 70)
        self.free = {k: self.caps[k] for k in ("cores", "memory_bytes", "disk_bytes", "encoder_sessions") if k in self.caps}

    def copy(self):
        """A second agent with this one's identity: a restored snapshot, a copied disk."""
        other = copy.copy(self)
        other.session, other.boot, other.beat = os.urandom(4).hex(), os.urandom(8).hex(), 0
        other.http, other.held = self.master.http(self.token, 70), self.held
        return other

    def post(self, verb, body):
        return self.http("POST", f"/api/v1/nodes/{self.id}/{verb}", body)

    def lease(self, wait=0, most=1, nonce=None, **free):
        body = {"nonce": nonce or os.urandom(8).hex(), "max_jobs": most, "wait_s": wait, "free": dict(self.free, slots=most, **free)}
        answer = self.post("lease", body)
        # On a slow machine a test is silent for longer than a lease between two requests: it speaks then, as an agent does.
        if answer.status == 200 and answer.json.get("closed") == "offline":
            self.heartbeat(self.held)
            answer = self.post("lease", body)
        assert answer.status == 200, answer
        return answer.json["grants"]

    def accept(self, grant):
        answer = self.post("accept", {"job": grant["job"], "attempt": grant["attempt"]})
        if answer.status == 200:
            self.held = [*self.held, grant]
        return answer

    def result(self, grant, outcome="succeeded", **more):
        self.held = [g for g in self.held if g["job"] != grant["job"]]
        return self.post("results", dict({"job": grant["job"], "attempt": grant["attempt"], "outcome": outcome}, **more))

    def heartbeat(self, jobs=(), **more):
        self.beat += 1
        items = [dict({"job": g["job"], "attempt": g["attempt"]}, **({k: g[k] for k in ("progress", "mark", "delivering") if k in g})) for g in jobs]
        return self.post("heartbeat", dict({"session": self.session, "boot_id": self.boot, "beat": self.beat, "jobs": items}, **more))

    def take(self, wait=5):
        grants = self.lease(wait)
        assert len(grants) == 1, grants
        assert self.accept(grants[0]).status == 200
        return grants[0]


class Postgres:
    """A private cluster on a unix socket and a loopback port, as an unprivileged user; ended by `stop`."""
    def __init__(self, folder, follows=None):
        """Empty, or a copy of the server `follows` that goes on following it."""
        self.bin = sorted(p for p in (os.path.join("/usr/lib/postgresql", v, "bin") for v in os.listdir("/usr/lib/postgresql"))
                          if os.path.exists(p + "/initdb"))[-1]
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.user = "nobody" if os.geteuid() == 0 else None
        if self.user:
            os.chmod(os.path.dirname(folder), 0o755)
            entry = pwd.getpwnam(self.user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        self.data = folder + "/data"
        if follows:
            self.run([self.bin + "/pg_basebackup", "-D", self.data, "-d", follows.url("postgres"), "-R", "-c", "fast", "--no-sync"])
        else:
            self.run([self.bin + "/initdb", "-D", self.data, "-U", "ffrtmp", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C", "--data-checksums"])
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.start()
        self.count = 0

    def run(self, argv):
        if self.user:
            argv = ["runuser", "-u", self.user, "--"] + argv
        said = self.folder + "/said"
        with open(said, "ab") as out:
            if subprocess.run(argv, stdout=out, stderr=out, cwd="/").returncode != 0:
                raise RuntimeError(f"{argv} failed:\n" + open(said).read()[-2000:])

    def start(self):
        self.run([self.bin + "/pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", self.folder + "/log", "-o",
                  f"-k {self.folder} -p {self.port} -h 127.0.0.1 -c max_connections=100 -c shared_buffers=128MB", "start"])

    def stop(self, mode="immediate"):
        self.run([self.bin + "/pg_ctl", "-D", self.data, "-w", "-m", mode, "stop"])

    def leader(self):
        return int(open(self.data + "/postmaster.pid").readline())

    def processes(self):
        """The server and everybody it has forked."""
        leader = self.leader()
        children = open(f"/proc/{leader}/task/{leader}/children").read().split()
        return [leader] + [int(pid) for pid in children]

    def database(self):
        self.count += 1
        name = f"q{self.count}"
        subprocess.run([self.bin + "/createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "ffrtmp", name], check=True)
        return self.url(name)

    def url(self, name):
        return f"postgres://ffrtmp@127.0.0.1:{self.port}/{name}"

    def ask(self, sql):
        return subprocess.run([self.bin + "/psql", "-d", self.url("postgres"), "-Atqc", sql], check=True, capture_output=True, text=True).stdout.strip()


def scratch(prefix):
    return tempfile.mkdtemp(prefix="ffrtmp-" + prefix + "-")


def eventually(check, timeout=30, step=0.1):
    """The value of `check` once it is true; fails with the last value."""
    until, value = time.time() + timeout, None
    while time.time() < until:
        value = check()
        if value:
            return value
        time.sleep(step)
    raise AssertionError(f"did not come true in {timeout} s: {value!r}")


def run_tests(module, names):
    """Runs the test_ functions of a module, or those whose name holds one of `names`; gives the exit code."""
    results = []
    for name, test in [(n[5:], t) for n, t in module.items() if n.startswith("test_")]:
        if names and not any(part in name for part in names):
            continue
        try:
            test()
            if contract:
                contract.assert_kept()
            results.append(True)
            print(f"ok {name}", flush=True)
        except Exception:
            results.append(False)
            print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
    print(f"# {results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) and results else 1
