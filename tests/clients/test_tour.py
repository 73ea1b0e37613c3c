"""README's five-minute tour, run as it stands: only ports and the operator's password are put in."""
import pathlib
import re
import subprocess
import unittest

import facteur

README = pathlib.Path(__file__).parents[2] / "README.md"
PORTS = {8080: "http", 2525: "mx", 2993: "imaps", 2995: "pop3s"}


class Tour(unittest.TestCase):
    def test_the_five_minute_tour(self):
        text = README.read_text()
        tour = text[text.index("<!-- tour:"):text.index("<!-- end of the tour -->")]
        script = "\n".join(re.findall(r"```sh\n(.*?)```", tour, re.S))
        script = script.replace("the password that serve printed", facteur.OPERATOR_PASSWORD)
        for port, listener in PORTS.items():
            self.assertIn(str(port), script)
            script = re.sub(rf'(127\.0\.0\.1(?::|", )){port}\b', rf"\g<1>{facteur.SERVER.port(listener)}", script)
        done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", script], capture_output=True, text=True, timeout=60)
        said = done.stdout
        self.assertEqual(done.returncode, 0, said + done.stderr)
        self.assertEqual(said.count("Subject: Hello"), 3, said)
        for part in (
            '"closed":1', "POP3 session ended: -ERR [SYS/PERM]", "POP3 is refused", '"source":"mailbox"', '"disabled"',
        ):
            self.assertIn(part, said)

    def test_the_table_of_settings_is_complete(self):
        keys = (README.parent / "src/settings/keys.rs").read_text()
        for name in re.findall(r'key\(\s*"([^"]+)"', keys):
            self.assertIn(f"| `{name}` |", README.read_text())
