"""The command line, driven as a person or a script drives it, against the running server."""
import json
import os
import pathlib
import stat
import subprocess
import tempfile
import unittest

import facteur


class CommandLine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="facteur-cli.")
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)
        host, port = facteur.SERVER.address["http"]
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "FACTEUR_API": f"http://{host}:{port}"}

    def run_cli(self, *words, code=0, stdin="", **env):
        done = subprocess.run(
            [facteur.BINARY, *words], input=stdin, env={**self.env, **env}, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
        self.said = done.stderr
        return done.stdout

    def login(self):
        self.run_cli("login", "operator", stdin=facteur.OPERATOR_PASSWORD + "\n")

    def test_a_day_at_support(self):
        self.login()
        kept = self.home / ".config/facteur/sign-in.json"
        self.assertEqual(stat.S_IMODE(kept.stat().st_mode), 0o600)
        self.assertNotIn(facteur.OPERATOR_PASSWORD, kept.read_text())
        self.run_cli("domain", "create", "cli.example")
        self.run_cli("mailbox", "create", "ann@cli.example", "--quota", "1G", "--pop3", "disabled", "--password",
                     stdin=facteur.PASSWORD + "\n")
        self.assertRegex(self.said, r"revision \d+, 0 session")
        table = self.run_cli("mailbox", "list", "--domain", "cli.example")
        self.assertRegex(table, r"ID +ADDRESS(.|\n)*mbx_\w+ +ann@cli\.example(.|\n)*1073741824")
        shown = json.loads(self.run_cli("mailbox", "protocols", "show", "ann@cli.example", "--json"))
        self.assertEqual(shown["effective"]["pop3"], {"enabled": False, "source": "mailbox"} | shown["effective"]["pop3"])
        change = ("mailbox", "protocols", "update", "ann@cli.example", "--pop3", "enabled")
        self.assertIn("/pop3/state", self.run_cli(*change, "--dry-run"))
        self.assertIn("disabled", self.run_cli("mailbox", "protocols", "show", "ann@cli.example"))
        self.run_cli(*change)
        self.assertRegex(self.run_cli("mailbox", "protocols", "show", "ann@cli.example"), r"\npop3\.state +enabled")
        self.run_cli("mailbox", "delete", "ann@cli.example", code=2)
        self.run_cli("mailbox", "delete", "ann@cli.example", "--yes")
        self.run_cli("mailbox", "show", "ann@cli.example", code=5)

    def test_exit_codes_say_what_was_wrong(self):
        self.run_cli("me", code=3)
        self.run_cli("login", "operator", code=3, stdin="wrong password\n")
        self.login()
        self.run_cli("domain", "create", "no domain", code=7)
        self.assertIn("/name", self.said)
        self.run_cli("domain", "create", "twice.example")
        self.run_cli("domain", "create", "twice.example", code=6)
        self.run_cli("domain", "create", code=2)
        self.run_cli("me", code=9, FACTEUR_API="http://127.0.0.1:1")

    def test_a_sign_in_is_refreshed_and_ends(self):
        self.login()
        kept = self.home / ".config/facteur/sign-in.json"
        before = json.loads(kept.read_text())
        kept.write_text(json.dumps({**before, "access_token": "run-out"}))
        self.run_cli("me")
        after = json.loads(kept.read_text())
        self.assertNotEqual(after["access_token"], "run-out")
        self.assertNotEqual(after["refresh_token"], before["refresh_token"])
        self.run_cli("logout")
        self.assertFalse(kept.exists())
        # The server knows the sign-in no more, whoever kept a copy of it.
        kept.write_text(json.dumps(after))
        self.run_cli("me", code=3)

    def test_keys_pages_and_bodies(self):
        self.login()
        key = json.loads(self.run_cli("key", "create", "panel", "--json"))["secret"]
        self.run_cli("logout")
        self.env["FACTEUR_API_KEY"] = key
        self.run_cli("domain", "create", "pages.example")
        for name in "abcde":
            self.run_cli("mailbox", "create", "--data", json.dumps({"address": f"{name}@pages.example"}))
        page = self.run_cli("mailbox", "list", "--domain", "pages.example", "--limit", "2")
        self.assertEqual(page.count("@pages.example"), 2)
        self.assertIn("--cursor", self.said)
        everything = self.run_cli("mailbox", "list", "--domain", "pages.example", "--limit", "2", "--all")
        self.assertEqual(everything.count("@pages.example"), 5)
        self.run_cli("alias", "create", "all@pages.example", "--targets", "a@pages.example", "--targets", "b@pages.example")
        self.assertIn("a@pages.example,b@pages.example", self.run_cli("alias", "list", "--all"))

    def test_tls_is_verified(self):
        host, port = facteur.SERVER.address["http"]
        secure = f"https://{host}:{port}"
        self.run_cli("me", code=9, FACTEUR_API=secure)
        self.assertIn("--ca", self.said)

    def test_every_shell_has_completions(self):
        for shell in ("bash", "zsh", "fish"):
            self.assertIn("mailbox", self.run_cli("completion", shell))
        done = subprocess.run(["bash", "-n"], input=self.run_cli("completion", "bash"), text=True)
        self.assertEqual(done.returncode, 0)
