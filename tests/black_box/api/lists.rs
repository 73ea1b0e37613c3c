//! Filters and orders of lists over HTTP: what is found, and what is refused.

use super::problems::assert_problem;
use crate::support::{Backend, Server};
use serde_json::{Value, json};

crate::on_both_databases!(lists_are_filtered_and_sorted_over_http, hostile_filters_are_refused_with_their_name);

fn addresses(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["address"].as_str().expect("an address").to_owned()).collect()
}

fn lists_are_filtered_and_sorted_over_http(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("lists.example");
    for name in ["cay", "ada", "bob"] {
        api.make("/v1/mailboxes", &json!({"address": format!("{name}@lists.example")}));
    }
    server.mx().deliver("x@remote.example", &["bob@lists.example"], "Subject: x\r\n\r\nx\r\n");
    let of = |query: &str| {
        let answer = api.get(&format!("/v1/mailboxes?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        addresses(&answer.json())
    };
    let full = |names: &[&str]| names.iter().map(|name| format!("{name}@lists.example")).collect::<Vec<_>>();
    assert_eq!(of("sort=address"), full(&["ada", "bob", "cay"]));
    assert_eq!(of("sort=-created_at"), full(&["bob", "ada", "cay"]));
    // What was answered with 250 counts, however short ago.
    assert_eq!(of("sort=-used_bytes&limit=1"), full(&["bob"]));
    assert_eq!(of("used_above=0"), full(&["bob"]));
    assert_eq!(of("prefix=A&state=active&imap=enabled&over_quota=false"), full(&["ada"]));
    assert!(of("imap=disabled").is_empty() && of("state=deleted").is_empty());
    // Page by page, with an order and a filter.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/v1/mailboxes?sort=-address&limit=1{cursor}")).json();
        seen.extend(addresses(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, full(&["cay", "bob", "ada"]));
    let csv = api.request("GET", "/v1/mailboxes?sort=address&prefix=b", &[("Accept", "text/csv")], None).text();
    assert_eq!(csv.lines().count(), 2, "{csv}");
}

fn hostile_filters_are_refused_with_their_name(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    api.domain("lists.example");
    api.make("/v1/mailboxes", &json!({"address": "ada@lists.example"}));
    api.make("/v1/mailboxes", &json!({"address": "bob@lists.example"}));
    let long = "x".repeat(10_240);
    for list in ["mailboxes", "domains", "aliases", "tenants", "users", "keys"] {
        for prefix in ["%25", "_", "'%20OR%201=1--", "%5C"] {
            let answer = api.get(&format!("/v1/{list}?prefix={prefix}"));
            assert_eq!(answer.json()["items"], json!([]), "{list} {prefix}");
        }
        let next = api.get(&format!("/v1/{list}?sort=created_at&limit=1")).json()["next_cursor"].clone();
        let mut wrong = vec![
            ("prefix=%00".to_owned(), "prefix"),
            ("prefix=a%0D%0Ab".to_owned(), "prefix"),
            (format!("prefix={long}"), "prefix"),
            ("sort=revision".to_owned(), "sort"),
            (format!("sort={long}"), "sort"),
            ("cursor=zz".to_owned(), "cursor"),
            ("sort=created_at&cursor=1".to_owned(), "cursor"),
            (format!("sort=created_at&cursor=1.created_at.{long}"), "cursor"),
            ("sort=created_at&cursor=1.created_at.1%00".to_owned(), "cursor"),
        ];
        if let Some(next) = next.as_str() {
            wrong.push((format!("sort=-created_at&cursor={next}"), "cursor"));
            wrong.push((format!("cursor={next}"), "cursor"));
        }
        for (query, name) in wrong {
            let answer = api.get(&format!("/v1/{list}?{query}"));
            assert_eq!(answer.status, 422, "{list}?{query}: {}", answer.text());
            assert_eq!(answer.json()["errors"][0]["pointer"], name, "{list}?{query}: {}", answer.text());
        }
    }
    for (query, name) in [
        ("state=gone", "state"),
        ("imap=on", "imap"),
        ("used_above=-1", "used_above"),
        ("not_used_since=soon", "not_used_since"),
    ] {
        let answer = api.get(&format!("/v1/mailboxes?{query}"));
        assert_eq!(
            (answer.status, answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default()),
            (422, name),
            "{}",
            answer.text()
        );
    }
    assert_problem(&api.get("/v1/mailboxes?deleted=true&state=active"), 422, "invalid");
    // A cursor that somebody made up is a place like any other: nothing is shown that is not in the list.
    let made_up = api.get("/v1/mailboxes?sort=address&cursor=1.address.YmI").json();
    assert_eq!(addresses(&made_up), ["bob@lists.example"]);
}
