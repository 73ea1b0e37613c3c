"""curl and swaks: what administrators try first."""
import subprocess
import tempfile
import unittest

import facteur
from facteur import PASSWORD, message


class Tools(unittest.TestCase):
    def setUp(self):
        self.server = facteur.SERVER
        self.domain = self.server.domain()
        self.ada = f"ada@{self.domain}"
        self.bob = f"bob@{self.domain}"
        self.server.mailbox(self.ada)
        self.server.mailbox(self.bob)

    def run_tool(self, *words, code=0, **options):
        done = subprocess.run(words, capture_output=True, timeout=60, **options)
        self.assertEqual(done.returncode, code, f"{words}\n{done.stdout.decode()}\n{done.stderr.decode()}")
        return done.stdout

    def url(self, listener, scheme, path=""):
        return f"{scheme}://127.0.0.1:{self.server.port(listener)}{path}"

    def send(self, url, sender, *more):
        with tempfile.NamedTemporaryFile() as file:
            file.write(message(7, self.domain, sender=sender))
            file.flush()
            self.run_tool("curl", "-sS", "-k", url, *more, "--mail-from", sender, "--mail-rcpt", self.ada, "-T", file.name)

    def test_curl_sends_and_reads(self):
        self.send(self.url("mx", "smtp"), "grace@remote.example")
        user = f"{self.ada}:{PASSWORD}"
        self.send(self.url("submission", "smtp"), self.ada, "--ssl-reqd", "-u", user)
        self.send(self.url("submissions", "smtps"), self.ada, "-u", user)
        for listener, scheme, more in (
            ("imap", "imap", []), ("imap", "imap", ["--ssl-reqd"]), ("imaps", "imaps", []),
            ("pop3", "pop3", []), ("pop3", "pop3", ["--ssl-reqd"]), ("pop3s", "pop3s", []),
        ):
            path = "/INBOX;MAILINDEX=1" if scheme.startswith("imap") else "/1"
            text = self.run_tool("curl", "-sS", "-k", self.url(listener, scheme, path), "-u", user, *more)
            self.assertIn(b"Subject: Number 7\r\n", text, f"{scheme} {more}")
        listed = self.run_tool("curl", "-sS", self.url("imap", "imap", "/"), "-u", user)
        self.assertIn(b"Archive", listed)
        listed = self.run_tool("curl", "-sS", self.url("pop3", "pop3", "/"), "-u", user)
        self.assertEqual(len(listed.splitlines()), 3)

    def test_curl_is_refused_a_wrong_password(self):
        self.run_tool("curl", "-sS", self.url("imap", "imap", "/"), "-u", f"{self.ada}:wrong", code=67)

    def test_swaks_delivers_with_every_extension_it_knows(self):
        to = ["--server", "127.0.0.1", "--port", str(self.server.port("mx"))]
        for more in ([], ["--tls"], ["--pipeline"], ["--protocol", "SMTP"]):
            self.run_tool("swaks", *to, "--to", self.ada, "--from", "grace@remote.example", *more)

    def test_swaks_signs_in_by_plain_and_login(self):
        for listener, tls in (("submission", "--tls"), ("submissions", "--tlsc")):
            for mechanism in ("PLAIN", "LOGIN"):
                self.run_tool(
                    "swaks", "--server", "127.0.0.1", "--port", str(self.server.port(listener)), tls,
                    "--auth", mechanism, "--auth-user", self.ada, "--auth-password", PASSWORD,
                    "--from", self.ada, "--to", self.bob)

    def test_swaks_is_refused_an_unknown_recipient(self):
        # 24: no recipient was accepted.
        said = self.run_tool(
            "swaks", "--server", "127.0.0.1", "--port", str(self.server.port("mx")),
            "--to", f"nobody@{self.domain}", "--from", "grace@remote.example", code=24)
        self.assertIn(b"550 5.1.1", said)


if __name__ == "__main__":
    raise SystemExit("run by tests/clients/run.py")
