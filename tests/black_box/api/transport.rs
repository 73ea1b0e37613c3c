//! HTTP itself: TLS and plain on one port, health, and an end to those who never speak.

use crate::support::dial::dial;
use crate::support::wire::Wire;
use crate::support::{Backend, Server};
use std::io::{Read, Write};
use std::time::Duration;

#[test]
fn tls_and_plain_share_the_port() {
    let server = Server::start(Backend::Sqlite);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.anonymous().get(path).status, 200, "{path}");
        let mut wire = Wire::connect(server.address("http"));
        wire.start_tls();
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
        assert_eq!(wire.line(), "HTTP/1.1 200 OK");
    }
}

#[test]
fn curl_speaks_both_versions_of_http() {
    let server = Server::start(Backend::Sqlite);
    let url = format!("https://{}/readyz", server.address("http"));
    for (wanted, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sk", wanted, "-w", "\n%{http_version} %{response_code}", &url]);
        let said = String::from_utf8_lossy(&curl.output().expect("curl runs").stdout).into_owned();
        assert!(
            said.contains("\"status\":\"ready\"") && said.ends_with(&format!("\n{version} 200")),
            "{wanted}: {said}"
        );
    }
}

#[test]
fn who_never_ends_a_header_is_closed() {
    let server = Server::start(Backend::Sqlite);
    // All at once, so that the test waits for one deadline: half a header, and what could still become HTTP/2.
    let mut streams: Vec<_> = ["GET /healthz HTTP/1.1\r\nHost: x\r\n", "PRI * HTTP/2.0\r\n", "P"]
        .map(|start| {
            let mut stream = dial(server.address("http"), 0);
            stream.set_read_timeout(Some(Duration::from_secs(12))).expect("a deadline");
            stream.write_all(start.as_bytes()).expect("sent");
            stream
        })
        .into();
    for stream in &mut streams {
        let mut said = Vec::new();
        stream.read_to_end(&mut said).expect("the server closes the connection in time");
    }
}
