"""Python's imaplib, poplib and smtplib."""
import imaplib
import poplib
import re
import smtplib
import unittest

import facteur
from facteur import PASSWORD, any_certificate, message


class PythonLibraries(unittest.TestCase):
    def setUp(self):
        self.server = facteur.SERVER
        self.domain = self.server.domain()
        self.ada = f"ada@{self.domain}"
        self.bob = f"bob@{self.domain}"
        self.ada_id = self.server.mailbox(self.ada)
        self.server.mailbox(self.bob)

    def imap(self, user=None):
        client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=30)
        self.addCleanup(client.shutdown)
        client.login(user or self.ada, PASSWORD)
        return client

    def pop3(self):
        client = poplib.POP3("127.0.0.1", self.server.port("pop3"), timeout=30)
        self.addCleanup(client.close)
        client.user(self.ada)
        client.pass_(PASSWORD)
        return client

    def deliver(self, count=1):
        with smtplib.SMTP("127.0.0.1", self.server.port("mx"), timeout=30) as smtp:
            for number in range(1, count + 1):
                smtp.sendmail("grace@remote.example", [self.ada], message(number, self.domain))

    def test_smtplib_delivers_and_imaplib_reads(self):
        self.deliver(3)
        imap = self.imap()
        self.assertEqual(imap.select("INBOX"), ("OK", [b"3"]))
        status, parts = imap.fetch("2", "(RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY[TEXT])")
        self.assertEqual(status, "OK")
        text = b"".join(p if isinstance(p, bytes) else b"".join(p) for p in parts)
        self.assertIn(b"Subject: Number 2\r\n", text)
        self.assertIn(b"Message number 2.\r\n", text)
        self.assertEqual(imap.search(None, "SUBJECT", '"Number 3"'), ("OK", [b"3"]))
        self.assertEqual(imap.search(None, "SEEN"), ("OK", [b"2"]))

    def test_imaplib_organises_a_mailbox(self):
        self.deliver(4)
        imap = self.imap()
        self.assertEqual(imap.create("Work/2026")[0], "OK")
        imap.select("INBOX")
        self.assertEqual(imap.copy("1:2", "Work/2026")[0], "OK")
        self.assertEqual(imap.uid("MOVE", "3", "Archive")[0], "OK")
        self.assertEqual(imap.store("1", "+FLAGS", r"(\Flagged $Later)")[0], "OK")
        self.assertIn(rb"\Flagged", imap.fetch("1", "(FLAGS)")[1][0])
        imap.store("2", "+FLAGS", r"(\Deleted)")
        # imaplib hands out the EXPUNGE that came with MOVE here as well.
        self.assertEqual(imap.expunge()[1], [b"3", b"2"])
        counts = {}
        for folder in ("INBOX", "Work/2026", "Archive"):
            line = imap.status(folder, "(MESSAGES)")[1][0]
            counts[folder] = int(re.search(rb"MESSAGES (\d+)", line)[1])
        self.assertEqual(counts, {"INBOX": 2, "Work/2026": 2, "Archive": 1})
        listed = b"\n".join(imap.list()[1])
        for folder in (b"INBOX", b"Sent", b"Drafts", b"Junk", b"Trash", b"Archive", b"Work/2026"):
            self.assertIn(folder, listed)
        self.assertEqual(imap.rename("Work/2026", "Done")[0], "OK")
        self.assertEqual(imap.delete("Done")[0], "OK")

    def test_imaplib_appends(self):
        imap = self.imap()
        status, text = imap.append("Drafts", r"(\Draft)", '" 1-Jun-2026 10:00:00 +0200"', message(1, self.domain, 100_000))
        self.assertEqual(status, "OK")
        self.assertIn(b"APPENDUID", text[0])
        self.assertEqual(imap.select("Drafts"), ("OK", [b"1"]))
        answer = imap.fetch("1", "(INTERNALDATE FLAGS RFC822.SIZE)")[1][0]
        # RFC 9051 §9: date-day-fixed is a space and a digit, or two digits; the zone is the server's choice.
        self.assertRegex(answer, rb'"[ 0]1-Jun-2026 (10:00:00 \+0200|08:00:00 \+0000)"')
        self.assertIn(rb"\Draft", answer)
        self.assertIn(b"RFC822.SIZE %d" % len(message(1, self.domain, 100_000)), answer)

    def test_imaplib_starttls_and_implicit_tls(self):
        client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=30)
        self.addCleanup(client.shutdown)
        client.starttls(any_certificate())
        client.login(self.ada, PASSWORD)
        self.assertEqual(client.select()[0], "OK")
        client = imaplib.IMAP4_SSL("127.0.0.1", self.server.port("imaps"), ssl_context=any_certificate(), timeout=30)
        self.addCleanup(client.shutdown)
        client.authenticate("PLAIN", lambda _: f"\0{self.ada}\0{PASSWORD}".encode())
        self.assertEqual(client.select()[0], "OK")

    def test_poplib_reads_and_deletes(self):
        self.deliver(3)
        pop = self.pop3()
        self.assertEqual(pop.stat()[0], 3)
        lines = pop.retr(2)[1]
        self.assertIn(b"Subject: Number 2", lines)
        self.assertEqual(pop.top(1, 0)[1][-1], b"")
        before = [line.split()[1] for line in pop.uidl()[1]]
        pop.dele(1)
        pop.quit()
        pop = self.pop3()
        self.assertEqual([line.split()[1] for line in pop.uidl()[1]], before[1:])

    def test_poplib_stls_and_implicit_tls(self):
        pop = poplib.POP3("127.0.0.1", self.server.port("pop3"), timeout=30)
        self.addCleanup(pop.close)
        self.assertIn("STLS", pop.capa())
        pop.stls(any_certificate())
        pop.user(self.ada)
        pop.pass_(PASSWORD)
        self.assertEqual(pop.stat(), (0, 0))
        pop = poplib.POP3_SSL("127.0.0.1", self.server.port("pop3s"), context=any_certificate(), timeout=30)
        self.addCleanup(pop.close)
        pop.user(self.ada)
        pop.pass_(PASSWORD)
        self.assertEqual(pop.stat(), (0, 0))

    def test_smtplib_submits_with_login(self):
        for listener, client in (("submission", smtplib.SMTP), ("submissions", smtplib.SMTP_SSL)):
            extra = {"context": any_certificate()} if client is smtplib.SMTP_SSL else {}
            with client("127.0.0.1", self.server.port(listener), timeout=30, **extra) as smtp:
                if not extra:
                    smtp.starttls(context=any_certificate())
                smtp.login(self.ada, PASSWORD)
                smtp.sendmail(self.ada, [self.bob], message(1, self.domain, sender=self.ada))
                with self.assertRaises(smtplib.SMTPSenderRefused):
                    smtp.sendmail(self.bob, [self.ada], message(2, self.domain, sender=self.bob))
        self.assertEqual(self.imap(self.bob).select(), ("OK", [b"2"]))

    def test_smtplib_submission_wants_a_login(self):
        with smtplib.SMTP("127.0.0.1", self.server.port("submission"), timeout=30) as smtp:
            with self.assertRaises(smtplib.SMTPResponseException) as refused:
                smtp.sendmail(self.ada, [self.bob], message(1, self.domain))
            self.assertEqual(refused.exception.smtp_code, 530)

    def test_pop3_switched_off_ends_the_session_and_imap_goes_on(self):
        pop, imap = self.pop3(), self.imap()
        answer = self.server.api("PATCH", f"/v1/mailboxes/{self.ada_id}/protocols", {"pop3": {"state": "disabled"}})
        self.assertEqual(answer["sessions"]["closed"], 1)
        with self.assertRaises(poplib.error_proto) as ended:
            pop.noop()
        self.assertIn("[SYS/PERM]", str(ended.exception))
        self.assertEqual(imap.noop()[0], "OK")


if __name__ == "__main__":
    raise SystemExit("run by tests/clients/run.py")
