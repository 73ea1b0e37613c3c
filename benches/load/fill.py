#!/usr/bin/env python3
"""Makes what the benchmark needs over the API: domain bench.test and mailboxes u0001..u0100 with
the password "pw" (as an imported SHA512-CRYPT hash, the scheme that the peers use), and logs in to each once,
because the first login replaces an imported hash with an argon2id one. Prints an API key:
an access token would end before the benchmark does.

  fill.py --api http://127.0.0.1:8080 --password OPERATOR_PASSWORD --imap 127.0.0.1:2143"""
import argparse, crypt, imaplib, json, urllib.request

p = argparse.ArgumentParser()
p.add_argument("--api", required=True)
p.add_argument("--password", required=True)
p.add_argument("--imap", required=True)
o = p.parse_args()


def post(path, body, token=None):
    r = urllib.request.Request(o.api + path, method="POST", data=json.dumps(body).encode())
    r.add_header("Content-Type", "application/json")
    if token:
        r.add_header("Authorization", "Bearer " + token)
    with urllib.request.urlopen(r, timeout=30) as answer:
        return json.load(answer)


token = post("/v1/sign-in", {"name": "operator", "password": o.password})["access_token"]
domain = post("/v1/domains", {"name": "bench.test"}, token)["id"]
hashed = "{SHA512-CRYPT}" + crypt.crypt("pw", crypt.mksalt(crypt.METHOD_SHA512))
for i in range(1, 101):
    post("/v1/mailboxes", {"address": f"u{i:04d}@bench.test", "password_hash": hashed}, token)
    host, port = o.imap.rsplit(":", 1)
    with imaplib.IMAP4(host, int(port)) as session:
        session.login(f"u{i:04d}@bench.test", "pw")
print(post("/v1/keys", {"name": "benchmark"}, token)["secret"])
