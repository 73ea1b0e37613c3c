"""What schemathesis is told beyond the document: which objects there are, what our own formats look like, and which
refusals a schema cannot foretell. Loaded by schemathesis (SCHEMATHESIS_HOOKS)."""
import itertools
import json
import os
import re

import schemathesis
from hypothesis import strategies

KNOWN = json.load(open(os.environ["FACTEUR_KNOWN"]))
_numbers = itertools.count(1)

# Refusals of a request that the document allows, by `code`: each hangs on what is there already, on the time of day or
# on a second field, which a schema cannot say. Any other 4xx on allowed data is a finding.
RULES = {
    "unknown_domain", "not_found", "taken", "conflict", "past", "alone", "required", "order", "loop", "stale",
    "not_in_plan", "other_tenant", "unknown_operation", "not_offered", "out_of_reach", "in_use", "limit_reached",
    "not_revertible", "running", "not_allowed", "unauthenticated", "sign_in_refused", "throttled", "rate_limited",
    "history_dropped", "gone", "wider_than_own", "already_exists", "needs_address", "unknown_address", "reused",
    "invalid_hash", "one_of", "too_common", "made_of_name", "invalid_token",
}
# The same where only the place tells: a cursor is opaque, a revision must be there, an id is never 0, and what a batch
# holds is anything until its operation is looked at.
PLACES = [
    ("cursor", "invalid", ""), ("sort", "invalid", "must be one of"), ("from", "out_of_range", ""), ("/after", "out_of_range", ""), ("", "invalid", "is not a valid id"),
    ("", "invalid_query", "is not a valid id"),
    ("/items/", "control_character", ""), ("/0/", "unknown_field", "there is no column"),
]

schemathesis.openapi.format("network", strategies.sampled_from(["203.0.113.0/24", "2001:db8::/32", "192.0.2.7"]))
schemathesis.openapi.format("idn-email", strategies.from_regex(r"\A[a-z0-9]{1,20}@schema\.example\Z"))
schemathesis.openapi.format("idn-hostname", strategies.from_regex(r"\A[a-z0-9]{1,20}\.example\Z"))


def known(path):
    """The parameters of a path and what stands for each."""
    return {m.group(1): KNOWN[path[: m.end()]] for m in re.finditer(r"\{(\w+)\}", path) if path[: m.end()] in KNOWN}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Paths lead to objects that exist (every second time), and no two requests share an Idempotency-Key."""
    if next(_numbers) % 2 and case.path_parameters:
        for name, value in known(case.operation.path).items():
            if name in case.path_parameters:
                case.path_parameters[name] = value
    if KNOWN["own key"] in (case.path_parameters or {}).values():
        case.path_parameters["id"] = KNOWN["/v1/keys/{id}"]  # found in a list: whoever deletes his own key asks nothing more
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) < 230:
        case.headers["Idempotency-Key"] = f"{key}-{next(_numbers)}"


def unexplained(problem):
    """What a problem says that no rule explains."""
    errors = problem.get("errors") or [{"pointer": "", "code": problem.get("code"), "detail": problem.get("detail")}]
    by_place = lambda error: any(
        error["pointer"].startswith(place) and error["code"] == code and detail in error["detail"]
        for place, code, detail in PLACES)
    return [error for error in errors if error["code"] not in RULES and not by_place(error)]


@schemathesis.check
def allowed_data_is_refused_by_rules_alone(context, response, case):
    """What the document allows is done, or refused for a reason that no schema can say."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code < 400:
        return
    if response.headers.get("content-type", [""])[0] != "application/problem+json":
        raise AssertionError(f"{response.status_code} is no problem document")
    if wrong := unexplained(response.json()):
        raise AssertionError(f"the document allows what is refused: {wrong[:5]}")
