#!/usr/bin/env python3
"""Measures how soon live sessions obey the API: with N idle POP3 sessions open (on mailboxes of
one domain), switches POP3 off for one mailbox after another and notes, from the moment the PATCH
was sent, when its answer came and when the mailbox's own session saw its end.

  toggle.py --api http://127.0.0.1:8080 --token T --pop3 127.0.0.1:2110 --domain bench.test --pass pw
            [--sessions 1000] [--rounds 20]

Prints one JSON object. Loopback only; the number of sessions and rounds bounds it."""
import argparse, json, socket, statistics, time, urllib.request

p = argparse.ArgumentParser()
p.add_argument("--api", required=True)
p.add_argument("--token", required=True)
p.add_argument("--pop3", required=True)
p.add_argument("--domain", required=True)
p.add_argument("--pass", dest="pw", required=True)
p.add_argument("--sessions", type=int, default=1000)
p.add_argument("--rounds", type=int, default=20)
o = p.parse_args()
host, port = o.pop3.rsplit(":", 1)


def api(method, path, body=None):
    r = urllib.request.Request(o.api + path, method=method)
    r.add_header("Authorization", "Bearer " + o.token)
    if body is not None:
        r.data = json.dumps(body).encode()
        r.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(r, timeout=30) as answer:
        return json.load(answer)


def line(s):
    text = b""
    while not text.endswith(b"\n"):
        got = s.recv(1)
        if not got:
            break
        text += got
    return text


def login(address):
    s = socket.create_connection((host, int(port)), timeout=60)
    line(s)
    for command in (f"USER {address}", f"PASS {o.pw}"):
        s.sendall(command.encode() + b"\r\n")
        answer = line(s)
        if not answer.startswith(b"+OK"):
            raise SystemExit(f"{address}: {command.split()[0]} got {answer!r}")
    return s


boxes = [f"u{i:04d}@{o.domain}" for i in range(1, 101)]
ids = {a: api("GET", f"/v1/mailboxes/by-address/{a}")["id"] for a in boxes[: o.rounds]}
sessions = [(boxes[i % len(boxes)], login(boxes[i % len(boxes)])) for i in range(o.sessions)]
answered, ended, closed = [], [], 0
for address in boxes[: o.rounds]:
    own = [s for a, s in sessions if a == address]
    start = time.perf_counter()
    said = api("PATCH", f"/v1/mailboxes/{ids[address]}/protocols", {"pop3": {"state": "disabled"}})
    answered.append((time.perf_counter() - start) * 1e3)
    for s in own:
        s.settimeout(5)
        end = line(s)
        assert end.startswith(b"-ERR"), end
    ended.append((time.perf_counter() - start) * 1e3)
    assert said["sessions"]["closed"] == len(own), said
    closed += len(own)
    api("PATCH", f"/v1/mailboxes/{ids[address]}/protocols", {"pop3": {"state": "inherit"}})
for address, s in sessions:
    if address not in boxes[: o.rounds]:
        s.sendall(b"NOOP\r\n")
        assert line(s).startswith(b"+OK"), "a session of another mailbox was hurt"
print(json.dumps({
    "op": "toggle", "sessions": o.sessions, "rounds": o.rounds, "ended_sessions": closed,
    "answer_p50_ms": round(statistics.median(answered), 2), "answer_max_ms": round(max(answered), 2),
    "ended_p50_ms": round(statistics.median(ended), 2), "ended_max_ms": round(max(ended), 2),
}))
