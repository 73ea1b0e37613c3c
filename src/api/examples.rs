//! One realistic request for each operation that takes a body, and a value for each parameter.
//!
//! The document shows them, and the tests send them. Invariant (under test): every body and parameter has one.

use serde_json::{Value, json};

/// The digits of every id in examples.
const DIGITS: &str = "0c3kz9w4t1q8m";

/// The body of an operation.
pub(super) fn body(operation: &str) -> Option<Value> {
    Some(match operation {
        "sign_in" => json!({"name": "operator", "password": "correct horse battery staple"}),
        "refresh" => json!({"refresh_token": "dGhlIHNlc3Npb24.b25lIHRpbWUgb25seQ"}),
        "change_own_password" => {
            json!({"current_password": "correct horse battery staple", "password": "another horse battery staple"})
        }
        "sign_in_second_step" => json!({"challenge": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmVk", "code": "287082"}),
        "enrol_second_factor" => json!({"password": "correct horse battery staple"}),
        "confirm_second_factor" => json!({"code": "287082"}),
        "renew_recovery_codes" | "disable_second_factor" => {
            json!({"password": "correct horse battery staple", "code": "287082"})
        }
        "login_as_user" | "login_as_mailbox" => json!({"reason": "ticket 4711: forwards do not work"}),
        "create_invitation" => {
            json!({"mailbox": format!("mbx_{DIGITS}"), "to": "ada@elsewhere.example", "locale": "fr"})
        }
        "request_password_reset" => json!({"name": "alice@example.org"}),
        "confirm_password_reset" => {
            json!({"token": "dGhlIHRva2VuIG9mIGEgbGluayBpbiBhIG1haWw", "password": "another horse battery staple"})
        }
        "update_user_recovery" | "update_mailbox_recovery" => {
            json!({"recovery_address": "ada@elsewhere.example", "locale": "fr"})
        }
        "create_tenant" => json!({"name": "Example Hosting", "kind": "customer"}),
        "update_tenant" => json!({"name": "Example Hosting Ltd"}),
        "create_user" => json!({"name": "alice", "password": "correct horse battery staple"}),
        "update_user" => json!({"password": "another horse battery staple"}),
        "create_key" => json!({"name": "panel", "read_only": true, "expires_at": "2099-12-31T00:00:00Z"}),
        "update_key" => json!({"name": "old panel", "expires_at": "2098-12-31T00:00:00Z"}),
        "create_domain" => json!({"name": "example.org", "protocols": {"pop3": {"state": "disabled"}}}),
        "update_domain" => json!({"protocols": {"pop3": {"state": "enabled"}}}),
        "create_mailbox" => json!({
            "address": "alice@example.org",
            "name": "Alice",
            "password": "correct horse battery staple",
            "quota": {"bytes": 1_073_741_824, "messages": 100_000},
            "protocols": {"pop3": {"state": "enabled", "policy": {"on_delete": "trash", "expire_days": 30}}}
        }),
        "update_mailbox" => json!({"name": "Alice B.", "quota": {"bytes": 2_147_483_648_u64, "messages": null}}),
        "create_alias" => json!({"address": "sales@example.org", "targets": ["alice@example.org"]}),
        "update_alias" => json!({"targets": ["alice@example.org", "bob@example.net"]}),
        "batch_mailboxes" => json!({
            "atomic": true,
            "items": [
                {"operation": "create_mailbox", "body": {"address": "bob@example.org", "name": "Bob"}},
                {"operation": "update_mailbox_protocols", "id": format!("mbx_{DIGITS}"), "body": {"pop3": {"state": "disabled"}}}
            ]
        }),
        "batch_aliases" => json!({
            "items": [{"operation": "create_alias", "body": {"address": "jobs@example.org", "targets": ["alice@example.org"]}}]
        }),
        "batch_domains" => {
            json!({"items": [{"operation": "update_domain", "id": format!("dom_{DIGITS}"), "body": {"catch_all": null}}]})
        }
        "import_mailboxes" => json!([
            {"address": "bob@example.org", "name": "Bob", "password_hash": "{SHA512-CRYPT}$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"},
            {"address": "carol@example.org", "quota": {"bytes": 1_073_741_824}}
        ]),
        "import_aliases" => {
            json!([{"address": "team@example.org", "targets": ["bob@example.org", "carol@example.org"]}])
        }
        "create_plan" => json!({
            "name": "Business 50",
            "limits": {"mailboxes": 50},
            "mailbox_quota": {"bytes": 5_368_709_120_u64},
            "protocols": {"imap": {"tls_only": true}}
        }),
        "update_plan" => json!({"name": "Business 100", "limits": {"mailboxes": 100}}),
        "update_plan_protocols" | "update_tenant_protocols" => {
            json!({"imap": {"tls_only": true, "allow_from": ["203.0.113.0/24"]}})
        }
        "update_domain_protocols" | "update_mailbox_protocols" => {
            json!({"pop3": {"state": "disabled", "policy": {"on_delete": null}}})
        }
        "create_domain_suspension" | "create_mailbox_suspension" => {
            json!({"scope": "login", "reason": "unpaid invoice 1042", "until": "2099-12-31T00:00:00Z"})
        }
        "create_mailbox_scheduled_change" | "create_domain_scheduled_change" => {
            json!({"protocols": {"pop3": {"state": "enabled"}}, "until": "2099-12-31T00:00:00Z"})
        }
        "switch_off_unused_protocols" => json!({"protocol": "pop3", "days": 90}),
        "contain_mailbox" => json!({"reason": "sends spam since this morning"}),
        "create_app_password" => {
            json!({"name": "phone", "protocols": ["imap", "submission"], "expires_at": "2099-12-31T00:00:00Z"})
        }
        "create_webhook" => {
            json!({"url": "https://panel.example.org/facteur", "description": "panel", "events": ["*_mailbox", "update_domain"]})
        }
        "update_webhook" => json!({"events": ["*"], "enabled": true}),
        "replay_webhook" => json!({"after": 42}),
        _ => return None,
    })
}

/// The value of a parameter: by its name, and for an id in a path by the collection before it.
pub(super) fn parameter(path: &str, name: &str) -> Option<Value> {
    let id = |prefix: &str| json!(format!("{prefix}_{DIGITS}"));
    let collection = path.split_once(&format!("/{{{name}}}")).and_then(|(before, _)| before.rsplit('/').next());
    Some(match (collection, name) {
        (Some("tenants"), _) | (None, "tenant") => id("ten"),
        (Some("plans"), _) => id("pln"),
        (Some("users"), _) => id("usr"),
        (Some("keys"), _) => id("key"),
        (Some("domains"), _) | (None, "domain") => id("dom"),
        (Some("mailboxes"), _) | (None, "object") => id("mbx"),
        (Some("aliases"), _) => id("als"),
        (Some("suspensions"), _) => id("sus"),
        (Some("app-passwords"), _) => id("apw"),
        (Some("sessions"), _) => id("ses"),
        (Some("sign-ins"), _) => id("sgn"),
        (Some("invitations"), _) => id("inv"),
        (Some("webhooks"), _) => id("whk"),
        (Some("jobs"), _) => id("job"),
        (Some("scheduled-changes"), _) => id("sch"),
        (None, "keep") => json!(false),
        (Some("by-name"), _) => json!("example.org"),
        (Some("by-address"), _) => json!("alice@example.org"),
        (Some("revisions"), _) | (None, "after") => json!(42),
        (None, "from") => json!("2026-11-01"),
        (None, "to") => json!("2026-11-30"),
        (None, "cursor") => json!("1a2b3c"),
        (None, "limit") => json!(100),
        (None, "wait") => json!(20),
        (None, "include") => json!("effective"),
        (None, "dry_run") => json!(true),
        (None, "days") => json!(90),
        (None, "protocol") => json!("pop3"),
        (None, "deleted") => json!(false),
        (None, "grace_days") => json!(30),
        (None, "prefix") => json!("exam"),
        (None, "state") => json!("active"),
        (None, "imap" | "pop3" | "submission") => json!("enabled"),
        (None, "not_used_since") => json!("2026-01-01T00:00:00Z"),
        (None, "over_quota") => json!(true),
        (None, "used_above") => json!(1_073_741_824),
        (None, "kind") => json!("customer"),
        (None, "plan") => id("pln"),
        (None, "sort") => json!("-created_at"),
        (None, "Idempotency-Key") => json!("5d1f0c8e-create-alice"),
        (None, "If-Match") => json!("\"42\""),
        (None, "Prefer") => json!("wait=5"),
        (None, "Last-Event-ID") => json!("42"),
        _ => return None,
    })
}
