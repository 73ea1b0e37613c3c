//! `facteur events`: what happens, a line an event, taken up where it broke off.
//!
//! A stream ends now and then (an hour, a restart, a network that goes away); it is opened again after the last event that
//! was shown. Invariant: no event is shown twice, and none is left out unless the API says so (410).

use super::client::{Api, Ask, Failure};
use super::say;
use hyper::body::Bytes;
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// Rests between two attempts, unless the server names another.
const REST: Duration = Duration::from_secs(2);
/// The longest line that is read: a revision has at most some megabytes.
const LINE_OCTETS: usize = 64 * 1024 * 1024;

/// Shows events until nobody reads them, or the API refuses.
pub(super) async fn run(api: &mut Api, ask: &Ask, json: bool) -> Result<ExitCode, Failure> {
    let mut events = Events { last: place(api, ask).await?, rest: REST, json, ..Events::default() };
    let mut connected = false;
    loop {
        let mut ask = ask.clone();
        if let Some(last) = &events.last {
            ask.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("last-event-id"));
            ask.headers.push(("last-event-id".into(), last.clone()));
        }
        events.begin();
        match api.stream(&ask, |octets| events.take(octets)).await {
            Ok(()) if events.closed => return Ok(ExitCode::SUCCESS),
            Ok(()) => connected = true,
            // Who never answered is somebody else, or elsewhere; who did will be back.
            Err(Failure::NoAnswer(text)) if connected || events.last.is_some() => say(&format!("{text}; trying again")),
            Err(Failure::Refused(503 | 429, _)) if connected || events.last.is_some() => {}
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(events.rest).await;
    }
}

/// Where to begin, if the command line does not say: at the newest revision, so that what comes while the stream is
/// opened anew, before it has shown anything, is not missed.
async fn place(api: &mut Api, ask: &Ask) -> Result<Option<String>, Failure> {
    let named =
        ask.target.contains("after=") || ask.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("last-event-id"));
    if named {
        return Ok(None);
    }
    let target = "/v1/revisions?limit=1".to_owned();
    let newest = api.send(&Ask { method: "GET".into(), target, headers: Vec::new(), body: None }).await?.json()?;
    Ok(newest["items"][0]["number"].as_i64().map(|number| number.to_string()))
}

/// A stream of server-sent events as it is read.
#[derive(Default)]
struct Events {
    last: Option<String>,
    rest: Duration,
    json: bool,
    /// Nobody reads what is shown any more.
    closed: bool,
    line: Vec<u8>,
    id: Option<String>,
    data: String,
}

impl Events {
    /// A new connection: what was read of an event by half is forgotten.
    fn begin(&mut self) {
        self.line.clear();
        self.id = None;
        self.data.clear();
    }

    /// Takes what came; false ends the stream.
    fn take(&mut self, octets: &Bytes) -> bool {
        for &octet in octets.iter() {
            if octet == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.take_line(String::from_utf8_lossy(&line).trim_end_matches('\r'));
            } else if self.line.len() < LINE_OCTETS {
                self.line.push(octet);
            }
        }
        !self.closed
    }

    fn take_line(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => self.show(),
            "id" => self.id = Some(value.to_owned()),
            "data" => self.data.push_str(value),
            "retry" => self.rest = value.parse().map_or(self.rest, Duration::from_millis),
            _ => {}
        }
    }

    /// An event is whole.
    fn show(&mut self) {
        let data = std::mem::take(&mut self.data);
        if let Some(id) = self.id.take() {
            self.last = Some(id);
        }
        if data.is_empty() {
            return;
        }
        let line = if self.json { data } else { told(&data) };
        let mut out = std::io::stdout().lock();
        self.closed = writeln!(out, "{line}").and_then(|()| out.flush()).is_err();
    }
}

/// An event for people: number, time, action, object, caller.
fn told(data: &str) -> String {
    let event: Value = serde_json::from_str(data).unwrap_or_default();
    let text = |name: &str| match &event[name] {
        Value::String(text) => text.chars().filter(|c| !c.is_control()).collect(),
        other => other.to_string(),
    };
    ["number", "at", "action", "object", "caller"].map(text).join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_in_any_pieces_and_remembers_where_it_is() {
        let text = "retry: 50\n: the log\n\nid: 7\nevent: create_domain\ndata: {\"number\":7}\n\nid: 8\ndata: {\"number\":8}\n";
        for size in [1, 3, 1000] {
            let mut events = Events { json: true, rest: REST, ..Events::default() };
            text.as_bytes().chunks(size).for_each(|piece| assert!(events.take(&Bytes::copy_from_slice(piece))));
            assert_eq!((events.last.as_deref(), events.rest.as_millis()), (Some("7"), 50), "by {size}");
            // The second had not ended: after a new connection it comes again.
            events.begin();
            events.take(&Bytes::from_static(b"id: 8\r\ndata: {}\r\n\r\n"));
            assert_eq!(events.last.as_deref(), Some("8"));
        }
    }

    #[test]
    fn a_line_for_people_holds_no_control_characters() {
        assert_eq!(
            told(r#"{"number":1,"at":"t","action":"a\u001b[2J","object":"o","caller":"c"}"#),
            "1  t  a[2J  o  c"
        );
    }
}
