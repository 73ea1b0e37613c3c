//! The log of revisions as a stream and as a feed.

use super::problems::assert_problem;
use crate::support::api::id;
use crate::support::dial::dial;
use crate::support::{Api, Backend, Server};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

crate::on_both_databases!(
    a_stream_tells_what_happens_and_goes_on_where_it_was,
    a_stream_ends_with_its_key_and_with_the_server,
    streams_have_a_bound,
    the_feed_waits_for_what_comes,
);

/// A stream of events over a connection of its own.
struct Events(BufReader<TcpStream>);

impl Events {
    /// Opens a stream; the headers of the answer have been read.
    fn open(server: &Server, token: &str, last: Option<i64>) -> Self {
        let mut stream = dial(server.address("http"), 0);
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        let head = format!("GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{last}\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        let mut events = Self(BufReader::new(stream));
        assert!(events.line().expect("a status").contains(" 200 "));
        // The greeting says that the stream has begun: what happens from here on is in it.
        while !events.line().expect("the greeting").starts_with(':') {}
        events
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let octets = self.0.read_line(&mut line).expect("a line in time");
        (octets > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event: id, name, data; none at the end of the stream.
    fn next(&mut self) -> Option<(i64, String, Value)> {
        let (mut id, mut name, mut data) = (None, String::new(), Value::Null);
        loop {
            let line = self.line()?;
            if let Some(value) = line.strip_prefix("id: ") {
                id = value.parse().ok();
            } else if let Some(value) = line.strip_prefix("event: ") {
                name = value.to_owned();
            } else if let Some(value) = line.strip_prefix("data: ") {
                data = serde_json::from_str(value).expect("JSON");
            }
            if let (Some(id), false, true) = (id, name.is_empty(), data.is_object()) {
                return Some((id, name, data));
            }
        }
    }
}

fn key(api: &Api, tenant: Option<&str>) -> (String, String) {
    let made = api.make("/v1/keys", &json!({"name": "follower", "tenant": tenant}));
    (id(&made), made["secret"].as_str().expect("a secret").to_owned())
}

fn a_stream_tells_what_happens_and_goes_on_where_it_was(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let reseller = id(&api.make("/v1/tenants", &json!({"name": "r", "kind": "reseller"})));
    let (_, all) = key(&api, None);
    let (_, theirs) = key(&api, Some(&reseller));
    let (mut events, mut own) = (Events::open(&server, &all, None), Events::open(&server, &theirs, None));
    let first = api.make("/v1/domains", &json!({"name": "a.example"}));
    let second = api.make("/v1/domains", &json!({"name": "b.example", "tenant": reseller}));
    let number = first["revision"].as_i64().expect("a number");
    let (id, name, data) = events.next().expect("an event");
    assert_eq!((id, name.as_str(), &data["after"]["name"]), (number, "create_domain", &json!("a.example")));
    assert_eq!(events.next().expect("an event").0, number + 1);
    // Whoever reaches less sees less.
    assert_eq!(own.next().expect("an event").2["after"]["name"], "b.example");
    drop(events);
    api.make("/v1/domains", &json!({"name": "c.example"}));
    let mut events = Events::open(&server, &all, Some(number));
    assert_eq!(json!(events.next().expect("an event").0), second["revision"]);
    assert_eq!(events.next().expect("an event").2["after"]["name"], "c.example");
    let wrong = api.request("GET", "/v1/events", &[("Last-Event-ID", "x")], None);
    assert_problem(&wrong, 422, "invalid");
}

fn a_stream_ends_with_its_key_and_with_the_server(backend: Backend) {
    let mut server = Server::start(backend);
    let api = server.operator();
    let (gone, first) = key(&api, None);
    let (_, second) = key(&api, None);
    let (mut ending, mut going) = (Events::open(&server, &first, None), Events::open(&server, &second, None));
    api.delete(&format!("/v1/keys/{gone}"));
    assert_eq!(ending.next(), None, "nothing is shown to a key that is gone");
    assert_eq!(going.next().expect("an event").1, "delete_key");
    server.signal("TERM");
    assert_eq!(going.next(), None);
    assert!(server.wait().success());
}

fn streams_have_a_bound(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    let (_, token) = key(&api, None);
    let open: Vec<Events> = (0..10).map(|_| Events::open(&server, &token, None)).collect();
    let caller = Api::new(server.address("http"), Some(token));
    assert_problem(&caller.get("/v1/events"), 429, "too_many_streams");
    assert_eq!(caller.get("/v1/revisions?after=0").status, 200);
    assert_eq!(open.len(), 10);
}

fn the_feed_waits_for_what_comes(backend: Backend) {
    let server = Server::start(backend);
    let api = server.operator();
    for name in ["a.example", "b.example", "c.example"] {
        api.domain(name);
    }
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = api.get(&format!("/v1/revisions?after={after}&limit=2")).json();
        let items = page["items"].as_array().expect("items").clone();
        after = page["next_after"].as_i64().expect("a number");
        if items.is_empty() {
            break;
        }
        seen.extend(items.iter().map(|item| item["number"].as_i64().expect("a number")));
    }
    assert_eq!(seen, [1, 2, 3, 4]);
    let came = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| api.get(&format!("/v1/revisions?after={after}&wait=20")).json());
        api.domain("d.example");
        waiting.join().expect("an answer")
    });
    assert_eq!((&came["items"][0]["after"]["name"], &came["next_after"]), (&json!("d.example"), &json!(5)), "{came}");
    for query in ["wait=1", "after=1&cursor=1", "after=-1", "after=1&object=x"] {
        assert_problem(&api.get(&format!("/v1/revisions?{query}")), 422, "invalid");
    }
}
