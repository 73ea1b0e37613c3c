"""mbsync (isync): a thousand messages in both directions, and a second run with nothing to do."""
import imaplib
import pathlib
import subprocess
import tempfile
import unittest

import facteur
from facteur import PASSWORD, message

CONFIG = """
IMAPAccount facteur
Host 127.0.0.1
Port {port}
User {user}
Pass {password}
SSLType None
AuthMechs LOGIN
Timeout 60

IMAPStore far
Account facteur

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState *
CopyArrivalDate yes
"""


class Mbsync(unittest.TestCase):
    def setUp(self):
        self.server = facteur.SERVER
        self.domain = self.server.domain()
        self.ada = f"ada@{self.domain}"
        self.server.mailbox(self.ada)
        self._folder = tempfile.TemporaryDirectory(prefix="facteur-mbsync.")
        self.addCleanup(self._folder.cleanup)
        self.folder = pathlib.Path(self._folder.name)
        (self.folder / "mail").mkdir()
        (self.folder / "rc").write_text(CONFIG.format(
            port=self.server.port("imap"), user=self.ada, password=PASSWORD, folder=self.folder))

    def sync(self):
        done = subprocess.run(
            ["mbsync", "-V", "-c", str(self.folder / "rc"), "all"], capture_output=True, text=True, timeout=300,
            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"})
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, said)
        return said

    def state(self):
        """Every message on both sides with its flags, by folder."""
        near = {}
        for path in (self.folder / "mail").glob("*/*/*"):
            if path.parent.name in ("cur", "new"):
                near.setdefault(path.parent.parent.name, set()).add((path.name, path.stat().st_size))
        far = {}
        client = self.imap()
        for folder in sorted(near):
            client.select(folder, readonly=True)
            far[folder] = client.uid("FETCH", "1:*", "(FLAGS RFC822.SIZE)")[1]
        return near, far

    def imap(self):
        client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=60)
        self.addCleanup(client.shutdown)
        client.login(self.ada, PASSWORD)
        return client

    def files(self, folder):
        return [p for sub in ("cur", "new") for p in (self.folder / "mail" / folder / sub).glob("*")]

    def settled(self):
        """A further run must change nothing on either side."""
        before = self.state()
        self.sync()
        self.assertEqual(self.state(), before)
        return before

    def test_a_thousand_messages_come_down(self):
        client = self.imap()
        for number in range(1, 1001):
            self.assertEqual(client.append("INBOX", r"(\Seen)" if number % 2 else None, None, message(number, self.domain))[0], "OK")
        self.sync()
        self.assertEqual(len(self.files("INBOX")), 1000)
        texts = sorted(p.read_bytes().split(b"Subject: Number ")[1].split(b"\n")[0] for p in self.files("INBOX"))
        self.assertEqual(texts, sorted(b"%d" % n for n in range(1, 1001)))
        self.settled()
        # Flags and deletions then travel both ways.
        client.select("INBOX")
        client.store("1:10", "+FLAGS", r"(\Deleted)")
        client.expunge()
        for path in self.files("INBOX")[:1]:
            flagged = path.name.split(":2,")[0] + ":2," + "".join(sorted(set(path.name.partition(":2,")[2]) | {"F"}))
            path.rename(path.parent.parent / "cur" / flagged)
        self.sync()
        self.assertEqual(len(self.files("INBOX")), 990)
        client.noop()
        self.assertEqual(len(client.search(None, "FLAGGED")[1][0].split()), 1)

    def test_a_thousand_messages_go_up(self):
        for sub in ("cur", "new", "tmp"):
            (self.folder / "mail" / "Archive" / sub).mkdir(parents=True)
        for number in range(1, 1001):
            flags = "S" if number % 2 else ""
            name = f"1780300000.{number}_1.host:2,{flags}"
            (self.folder / "mail" / "Archive" / "cur" / name).write_bytes(message(number, self.domain).replace(b"\r\n", b"\n"))
        self.sync()
        client = self.imap()
        self.assertEqual(client.select("Archive"), ("OK", [b"1000"]))
        self.assertEqual(len(client.search(None, "SEEN")[1][0].split()), 500)
        found = client.search(None, "SUBJECT", '"Number 777"')[1][0].split()
        self.assertEqual(len(found), 1)
        self.settled()


if __name__ == "__main__":
    raise SystemExit("run by tests/clients/run.py")
