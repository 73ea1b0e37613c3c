"""The server that the client tests talk to, and the fixtures they make over its API.

One server serves the whole run; each test makes a domain of its own, so that none sees another's mail."""
import itertools
import json
import os
import pathlib
import signal
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request

BINARY = None
DATABASE = None
SERVER = None

OPERATOR_PASSWORD = "operator-of-the-tests-1"
PASSWORD = "open-sesame-7"
LISTENERS = ["http", "mx", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"]
_numbers = itertools.count(1)


def any_certificate():
    """A TLS context that takes the self-signed certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Server:
    """Facteur on free ports with an empty data folder; stopped by SIGTERM at the end."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="facteur-clients.")
        self.folder = pathlib.Path(self._folder.name)
        env = {k: os.environ[k] for k in ("PATH", "HOME") if k in os.environ}
        env.update({f"FACTEUR_{name.upper()}": "127.0.0.1:0" for name in LISTENERS})
        env.update(
            FACTEUR_DATA=str(self.folder / "data"),
            FACTEUR_HOST="mail.facteur.example",
            FACTEUR_LOGIN_WITHOUT_TLS="loopback",
            FACTEUR_OPERATOR_PASSWORD=OPERATOR_PASSWORD,
            FACTEUR_RATE_CALLER="0",  # tests ask as fast as they can
            FACTEUR_RATE_NETWORK="0",
        )
        if DATABASE == "postgres":
            env["FACTEUR_DATABASE"] = self._own_database()
        self._log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            [BINARY, "serve"], cwd=self.folder, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self._log, text=True)
        for line in self.process.stdout:
            if line.strip() == "ready":
                break
        else:
            raise SystemExit("the server did not become ready\n" + self.log_tail())
        table = json.loads((self.folder / "data/run/addresses.json").read_text())
        self.address = {name: (a.rsplit(":", 1)[0], int(a.rsplit(":", 1)[1])) for name, a in table.items()}
        self.token = self.api("POST", "/v1/sign-in", {"name": "operator", "password": OPERATOR_PASSWORD})["access_token"]
        return self

    def _own_database(self):
        cluster = os.environ.get("FACTEUR_TEST_POSTGRES_URL")
        if not cluster:
            raise SystemExit("FACTEUR_TEST_POSTGRES_URL names no PostgreSQL: run the tests by ./tests/run")
        name = f"facteur_clients_{os.getpid()}"
        subprocess.run(["psql", "-q", cluster, "-c", f"CREATE DATABASE {name}"], check=True)
        return cluster.rsplit("/", 1)[0] + "/" + name

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=35)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise SystemExit("the server did not stop within 35 s of SIGTERM")
        finally:
            self._log.close()
        tail = self.log_tail()
        self._folder.cleanup()
        if code != 0:
            raise SystemExit(f"the server ended with code {code}\n{tail}")

    def log_tail(self):
        lines = (self.folder / "log").read_text(errors="replace").splitlines()
        return "\n".join(["--- the server's last log lines", *lines[-60:]])

    def port(self, listener):
        return self.address[listener][1]

    def api(self, method, path, body=None):
        """A call that must succeed; its JSON."""
        host, port = self.address["http"]
        request = urllib.request.Request(f"http://{host}:{port}{path}", method=method)
        if getattr(self, "token", None):
            request.add_header("Authorization", "Bearer " + self.token)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None
        return json.loads(text) if text else None

    def domain(self):
        """A fresh domain's name."""
        name = f"d{next(_numbers)}.example"
        self.api("POST", "/v1/domains", {"name": name})
        return name

    def mailbox(self, address, **fields):
        """A mailbox; its id."""
        return self.api("POST", "/v1/mailboxes", {"address": address, "password": PASSWORD, **fields})["id"]


def message(number, domain, size=0, sender="grace@remote.example"):
    """A message with CRLF line ends, told apart by its number."""
    body = f"Message number {number}.\r\n" + ("x" * 70 + "\r\n") * (size // 72)
    return (
        f"From: <{sender}>\r\nTo: ada@{domain}\r\nSubject: Number {number}\r\n"
        f"Date: Mon, 01 Jun 2026 10:{number // 60 % 60:02}:{number % 60:02} +0000\r\n"
        f"Message-ID: <{number}@remote.example>\r\n\r\n{body}"
    ).encode()
