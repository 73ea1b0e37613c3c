//! IMAP over DEFLATE (RFC 4978): every command works as before, in both directions.

use crate::support::{Backend, Server};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

crate::on_both_databases!(a_session_goes_on_compressed);

fn a_session_goes_on_compressed(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    operator.mailbox("ada@example.org");
    let mut stream = TcpStream::connect(server.address("imap")).expect("a connection");
    let mut lines = BufReader::new(stream.try_clone().expect("the same connection"));
    stream.write_all(b"l LOGIN ada@example.org open-sesame-7\r\nz COMPRESS DEFLATE\r\n").expect("sent");
    until(&mut lines, "z OK ");
    assert!(lines.buffer().is_empty());
    let mut lines = BufReader::new(DeflateDecoder::new(stream.try_clone().expect("the same connection")));
    let mut stream = DeflateEncoder::new(stream, Compression::default());
    let text = "Compressible. ".repeat(20_000);
    let message = format!("Subject: long\r\n\r\n{text}\r\n");
    write!(stream, "a APPEND INBOX {{{}+}}\r\n{message}\r\nb SELECT INBOX\r\n", message.len()).expect("sent");
    stream.flush().expect("sent");
    until(&mut lines, "b OK ");
    write!(stream, "c FETCH 1 BODY.PEEK[TEXT]\r\nd COMPRESS DEFLATE\r\ne LOGOUT\r\n").expect("sent");
    stream.flush().expect("sent");
    let fetched = until(&mut lines, "c OK ");
    assert!(fetched.iter().any(|line| line.trim_end() == text.trim_end()), "the text came back whole");
    until(&mut lines, "d NO [COMPRESSIONACTIVE] ");
    until(&mut lines, "e OK ");
}

/// Reads lines up to one that begins so.
fn until(lines: &mut impl BufRead, start: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).expect("a line") > 0, "the end came before {start}: {all:?}");
        let done = line.starts_with(start);
        all.push(line);
        if done {
            return all;
        }
    }
}
