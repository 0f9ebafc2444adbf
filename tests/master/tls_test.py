#!/usr/bin/env python3
"""TLS with real clients: certificates that change while it serves, clients that must show one, and what is no TLS or too old.
Certificates are OpenSSL's, so that nothing of the master's own vouches for itself."""
import os, signal, socket, ssl, subprocess, sys, threading, time, warnings

warnings.simplefilter("ignore", DeprecationWarning)  # old TLS is asked for on purpose
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fleet import *


class Authority:
    """An authority in a folder, and certificates under it."""
    def __init__(self, folder, name, ca=None, key=None):
        self.folder, self.name, self.count = folder, name, 0
        self.ca, self.key = ca or f"{folder}/{name}.crt", key or f"{folder}/{name}.key"
        if not ca:
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out", self.ca,
                    "-days", "30", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, name, days=30, server=True):
        """Certificate and key files."""
        self.count += 1
        base = f"{self.folder}/{self.name}-{name}-{self.count}"
        open(base + ".ext", "w").write("subjectAltName=IP:127.0.0.1,DNS:localhost\n" if server else "extendedKeyUsage=clientAuth\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", base + ".key", "-out", base + ".csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", base + ".csr", "-CA", self.ca, "-CAkey", self.key, "-CAcreateserial", "-days", str(days), "-extfile", base + ".ext", "-out", base + ".crt")
        return base + ".crt", base + ".key"


def openssl(*args):
    subprocess.run(["openssl"] + list(args), check=True, capture_output=True)


def context(ca, certificate=None, key=None):
    out = ssl.create_default_context(cafile=ca)
    if certificate:
        out.load_cert_chain(certificate, key)
    return out


def ask(m, ca, path="/health", certificate=None, key=None, token=None):
    """Status over a connection of its own."""
    c = http.client.HTTPSConnection("127.0.0.1", m.port, context=context(ca, certificate, key), timeout=20)
    c.request("GET", path, headers={"Authorization": "Bearer " + token} if token else {})
    status = c.getresponse().status
    c.close()
    return status


def served(m, ca):
    """Serial number of the certificate that a new connection is shown."""
    with context(ca).wrap_socket(socket.create_connection(("127.0.0.1", m.port), timeout=20), server_hostname="127.0.0.1") as s:
        return s.getpeercert()["serialNumber"]


def reload(m, expect):
    before = m.errors().count("reloaded")
    m.process.send_signal(signal.SIGHUP)
    eventually(lambda: m.errors().count("reloaded") > before)
    last = [line for line in m.errors().splitlines() if "reloaded" in line][-1]
    assert ("not reloaded" in last) == (not expect), last
    return last


def end(m):
    m.kill()
    shutil.rmtree(m.folder, ignore_errors=True)


class Load:
    """Requests all the time: on new connections, and on one that stays."""
    def __init__(self, m, ca):
        self.stopping, self.failures, self.counts = False, [], [0, 0]
        self.threads = [threading.Thread(target=self.fresh, args=(m, ca)), threading.Thread(target=self.kept, args=(m, ca))]
        [t.start() for t in self.threads]

    def fresh(self, m, ca):
        while not self.stopping:
            try:
                assert ask(m, ca, token=m.key, path="/api/v1/jobs") == 200
                self.counts[0] += 1
            except Exception as error:
                self.failures.append(repr(error))

    def kept(self, m, ca):
        c = http.client.HTTPSConnection("127.0.0.1", m.port, context=context(ca), timeout=20)
        c.auto_open = 0
        c.connect()
        while not self.stopping:
            try:
                c.request("GET", "/api/v1/jobs", headers={"Authorization": "Bearer " + m.key})
                answer = c.getresponse()
                answer.read()
                assert answer.status == 200
                self.counts[1] += 1
            except Exception as error:
                self.failures.append("kept: " + repr(error))
                return

    def stop(self):
        self.stopping = True
        [t.join(30) for t in self.threads]
        assert not self.failures, self.failures[:3]
        assert min(self.counts) > 0, self.counts


def test_a_given_pair_is_exchanged_without_a_lost_request():
    folder = scratch("tls")
    authority = Authority(folder, "company")
    files = [f"{folder}/server.crt", f"{folder}/server.key"]
    def install(pair):
        for source, target in zip(pair, files):
            shutil.copy(source, target + ".new")
            os.rename(target + ".new", target)
    install(authority.issue("one"))
    m = Master(folder, args=["--tls-cert", files[0], "--tls-key", files[1]], config="[limits]\nrequests_per_second = 0\n").start()
    m.ca = authority.ca
    load, seen = Load(m, authority.ca), {served(m, authority.ca)}
    for turn in range(5):
        install(authority.issue("next"))
        reload(m, True)
        seen.add(served(m, authority.ca))
    assert len(seen) == 6, seen
    good = served(m, authority.ca)
    shutil.copy(authority.issue("other")[1], files[1])  # the key of another certificate
    assert "not a TLS pair" in reload(m, False)
    assert served(m, authority.ca) == good, "the pair that works stays"
    open(files[0], "w").write("nonsense\n")
    reload(m, False)
    assert served(m, authority.ca) == good
    load.stop()
    end(m)


def test_its_own_certificate_is_renewed_while_it_serves():
    m = Master(scratch("own")).start()
    first, load = served(m, m.ca), Load(m, m.ca)
    # A certificate of its own authority that expires in ten days, as if a year had passed.
    own = Authority(m.folder, "own", m.ca, m.state + "/tls/ca.key")
    for source, target in zip(own.issue("old", days=10), ("server.crt", "server.key")):
        shutil.copy(source, f"{m.state}/tls/{target}")
    reload(m, True)
    second = served(m, m.ca)
    assert second != first
    left = subprocess.run(["openssl", "x509", "-in", m.state + "/tls/server.crt", "-noout", "-checkend", str(300 * 86400)], capture_output=True)
    assert left.returncode == 0, "renewed for more than 300 days"
    assert os.stat(m.state + "/tls/server.key").st_mode & 0o077 == 0
    reload(m, True)
    assert served(m, m.ca) == second, "no new one when none is due"
    load.stop()
    end(m)


def test_clients_must_show_a_certificate_where_that_is_asked():
    folder = scratch("mtls")
    clients, strangers = Authority(folder, "clients"), Authority(folder, "strangers")
    m = Master(folder, args=["--client-ca", clients.ca]).start()
    good, stranger, late = clients.issue("edge-1", server=False), strangers.issue("edge-1", server=False), clients.issue("late", days=-1, server=False)
    status = lambda pair=(None, None), token=m.key: ask(m, m.ca, "/api/v1/jobs", *pair, token=token)
    assert status(good) == 200
    assert status() == 401, "a key alone"
    assert status(good, None) == 401, "a certificate alone"
    for pair, what in ((stranger, "of another authority"), (late, "expired")):
        try:
            assert status(pair) == 401, what
        except (ssl.SSLError, OSError):
            pass  # refused in the handshake: as good
    assert ask(m, m.ca, "/health") == 200, "a probe has no certificate"
    end(m)


def test_half_a_configuration_does_not_start():
    folder = scratch("half")
    authority = Authority(folder, "company")
    one, two = authority.issue("one"), authority.issue("two")
    open(folder + "/nonsense", "w").write("nonsense\n")
    for args, words in ((["--tls-cert", one[0]], "half a TLS pair"), (["--tls-key", one[1]], "half a TLS pair"),
                        (["--tls-cert", one[0], "--tls-key", two[1]], "not a TLS pair"), (["--tls-cert", folder + "/nonsense", "--tls-key", one[1]], "not a TLS pair"),
                        (["--client-ca", folder + "/missing"], "missing"), (["--client-ca", folder + "/nonsense"], "authorities"),
                        (["--client-ca", one[0]], "authorities"), (["--client-ca", authority.ca, "--insecure-http"], "drop one"),
                        (["--tls-cert", one[0], "--tls-key", one[1], "--insecure-http"], "drop one")):
        r = subprocess.run([MASTER, "--listen", "127.0.0.1:0", "--state-dir", folder + "/s"] + args, capture_output=True, text=True, timeout=30)
        assert r.returncode == 2 and words in r.stderr and r.stderr.count("\n") == 1, (args, r)
        assert not os.path.exists(folder + "/s"), "nothing half done"
    shutil.rmtree(folder)


def test_old_tls_is_refused_D57_D58():
    m = Master(scratch("old")).start()
    def greet(version):
        c = context(m.ca)
        c.set_ciphers("ALL:@SECLEVEL=0")  # or the client itself would not offer what is old
        c.minimum_version = c.maximum_version = version
        with c.wrap_socket(socket.create_connection(("127.0.0.1", m.port), timeout=10), server_hostname="127.0.0.1") as s:
            return s.version()
    assert greet(ssl.TLSVersion.TLSv1_2) == "TLSv1.2" and greet(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        try:
            taken = greet(version)
        except (ssl.SSLError, OSError) as error:
            # Not our own client's doing: the refusal came over the wire.
            assert "NO_PROTOCOLS_AVAILABLE" not in str(error), error
        else:
            raise AssertionError(f"{taken} was taken")
    end(m)


def test_plain_http_on_the_tls_port_gets_nothing_and_harms_nobody():
    m = Master(scratch("plain")).start()
    for text in (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"A" * 70000, b"\x00" * 100, b"SSH-2.0-x\r\n"):
        s = socket.create_connection(("127.0.0.1", m.port), timeout=20)
        got = b""
        try:
            s.sendall(text)
            while part := s.recv(4096):
                got += part
        except OSError:
            pass
        s.close()
        assert b"HTTP/1" not in got, got
        assert ask(m, m.ca) == 200
    end(m)


if __name__ == "__main__":
    sys.exit(run_tests(globals(), sys.argv[1:]))
