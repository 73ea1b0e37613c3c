#!/usr/bin/env python3
"""schemathesis against the real binary: every operation of the OpenAPI document, asked what the document allows and
what it forbids, and every answer held against it.

  run.py --database sqlite|postgres --binary target/debug/facteur [--fuzz] [--examples N] [--seed N] [words for schemathesis ...]

Not a list of cases: schemathesis makes them from the document. This file makes one object of every kind, so that paths
lead somewhere, and says in CONFIG what is asked; each thing left out there has its reason beside it."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))
import facteur

CONFIG = """
workers = 1
continue-on-failure = true
# The same answers on every machine: a finding is a change of ours, never of the dice.
seed = {seed}
generation = {{ max-examples = {examples} }}
request-timeout = 60

[auth.openapi]
bearer = {{ bearer = "{key}" }}

[checks]
# Ours stands for it (hooks.py): it also knows which refusals a schema cannot foretell.
positive_data_acceptance.enabled = false
# 412: whether the object is still the same is looked at before what shall become of it.
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "429"]


[phases]
fuzzing.enabled = {fuzz}  # by chance, so on demand: --fuzz
stateful.enabled = false  # needs OpenAPI links; black_box/api walks through the objects' lives

[[operations]]
# A stream that does not end, and what would end the caller's own sign-in.
include-operation-id = ["follow_events"]
enabled = false

[[operations]]
# An import takes the document and refuses row by row, in the job's results.
include-operation-id = ["import_mailboxes", "import_aliases"]
checks.negative_data_rejection.enabled = false
"""


def objects(server):
    """One object of every kind; what stands for each parameter in a path, by the path up to it."""
    make = lambda path, body: server.api("POST", path, body)["id"]
    domain = make("/v1/domains", {"name": "schema.example"})
    tenant = make("/v1/tenants", {"name": "schema", "kind": "reseller"})
    mailbox = make("/v1/mailboxes", {"address": "ada@schema.example", "password": facteur.PASSWORD})
    suspension = {"scope": "receive", "reason": "test"}
    later = {"at": "2099-01-01T00:00:00Z", "protocols": {"pop3": {"state": "disabled"}}}
    rows = [{"address": "import@schema.example"}]
    job = server.api("POST", "/v1/mailboxes:import?dry_run=true", rows)["id"]
    known = {
        "/v1/tenants/{id}": tenant,
        "/v1/plans/{id}": make("/v1/plans", {"name": "schema"}),
        "/v1/users/{id}": make("/v1/users", {"tenant": tenant, "name": "schema", "password": "schema-of-the-test-1"}),
        "/v1/keys/{id}": make("/v1/keys", {"tenant": tenant, "name": "schema"}),
        "/v1/webhooks/{id}": make("/v1/webhooks", {"url": "https://schema.example/", "enabled": False}),
        "/v1/domains/by-name/{name}": "schema.example",
        "/v1/domains/{id}": domain,
        "/v1/mailboxes/by-address/{address}": "ada@schema.example",
        "/v1/mailboxes/{id}": mailbox,
        "/v1/aliases/{id}": make("/v1/aliases", {"address": "info@schema.example", "targets": ["ada@schema.example"]}),
        "/v1/jobs/{id}": job,
        "/v1/revisions/{number}": 3,
    }
    for kind, of in (("mailboxes", mailbox), ("domains", domain)):
        known[f"/v1/{kind}/{{id}}/suspensions/{{suspension}}"] = make(f"/v1/{kind}/{of}/suspensions", suspension)
        known[f"/v1/{kind}/{{id}}/scheduled-changes/{{change}}"] = make(f"/v1/{kind}/{of}/scheduled-changes", later)
    app = make(f"/v1/mailboxes/{mailbox}/app-passwords", {"name": "phone"})
    known["/v1/mailboxes/{id}/app-passwords/{app_password}"] = app
    return known


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", choices=["sqlite", "postgres"], required=True)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--schemathesis", default="schemathesis")
    parser.add_argument("--fuzz", action="store_true", help="cases by chance as well")
    parser.add_argument("--examples", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options, words = parser.parse_known_args()
    facteur.BINARY, facteur.DATABASE = os.path.abspath(options.binary), options.database
    with facteur.Server() as server, tempfile.TemporaryDirectory(prefix="facteur-schema.") as work:
        known = objects(server)
        made = server.api("POST", "/v1/keys", {"name": "schemathesis"})
        key, known["own key"] = made["secret"], made["id"]
        work = pathlib.Path(work)
        (work / "schemathesis.toml").write_text(
            CONFIG.format(key=key, fuzz=str(options.fuzz).lower(), seed=options.seed, examples=options.examples))
        (work / "known.json").write_text(json.dumps(known))
        host, port = server.address["http"]
        env = dict(os.environ, SCHEMATHESIS_HOOKS="hooks", PYTHONPATH=str(HERE), FACTEUR_KNOWN=str(work / "known.json"))
        done = subprocess.run(
            [options.schemathesis, "--config-file", str(work / "schemathesis.toml"), "run",
             f"http://{host}:{port}/openapi.json", "--report-dir", str(work / "report"), *words], cwd=work, env=env)
        if done.returncode != 0:
            print(server.log_tail(), file=sys.stderr)
        sys.exit(done.returncode)


main()
