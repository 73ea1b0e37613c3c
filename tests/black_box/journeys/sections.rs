//! FETCH of sections, partials and decoded parts against the octets that were delivered.

use crate::support::imap::Imap;
use crate::support::random::Random;
use crate::support::{Backend, Server};

crate::on_both_databases!(sections_are_the_octets_that_were_delivered, decoded_parts_are_what_was_encoded);

/// A message in a message in a message, beside other parts: each section with its octets.
struct Nested {
    source: String,
    sections: Vec<(&'static str, String)>,
}

fn nested() -> Nested {
    let innermost_header = "Subject: innermost\r\nFrom: c@remote.example\r\n\r\n".to_owned();
    let innermost_text = "deep\r\ninside\r\n".to_owned();
    let innermost = format!("{innermost_header}{innermost_text}");
    let inner_header = "Subject: inner\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n";
    let inner_html = "<b>html</b>".to_owned();
    let inner_html_mime = "Content-Type: text/html\r\nContent-ID: <h@x>\r\n\r\n";
    let innermost_mime = "Content-Type: message/rfc822\r\n\r\n";
    let inner_text =
        format!("--in\r\n{inner_html_mime}{inner_html}\r\n--in\r\n{innermost_mime}{innermost}\r\n--in--\r\n");
    let inner = format!("{inner_header}{inner_text}");
    let header = "Subject: outer\r\nX-Long: one\r\n two\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n";
    let first_mime = "Content-Type: text/plain\r\n\r\n";
    let inner_mime = "Content-Type: message/rfc822\r\nContent-Description: forwarded\r\n\r\n";
    let text =
        format!("preamble\r\n--out\r\n{first_mime}first\r\n--out\r\n{inner_mime}{inner}\r\n--out--\r\nepilogue\r\n");
    let source = format!("{header}{text}");
    let sections = vec![
        ("", source.clone()),
        ("HEADER", header.to_owned()),
        ("TEXT", text),
        ("1", "first".to_owned()),
        ("1.MIME", first_mime.to_owned()),
        ("2", inner.clone()),
        ("2.MIME", inner_mime.to_owned()),
        ("2.HEADER", inner_header.to_owned()),
        ("2.TEXT", inner_text),
        ("2.1", inner_html),
        ("2.1.MIME", inner_html_mime.to_owned()),
        ("2.2", innermost),
        ("2.2.MIME", innermost_mime.to_owned()),
        ("2.2.HEADER", innermost_header),
        ("2.2.TEXT", innermost_text.clone()),
        // RFC 9051 §6.4.5: a message that is no multipart has one part, its body.
        ("2.2.1", innermost_text),
        ("HEADER.FIELDS (X-LONG)", "X-Long: one\r\n two\r\n\r\n".to_owned()),
        ("HEADER.FIELDS.NOT (X-Long MIME-Version content-type)", "Subject: outer\r\n\r\n".to_owned()),
        ("2.HEADER.FIELDS (Subject)", "Subject: inner\r\n\r\n".to_owned()),
        ("2.2.HEADER.FIELDS.NOT (Subject)", "From: c@remote.example\r\n\r\n".to_owned()),
        ("HEADER.FIELDS (Nowhere)", "\r\n".to_owned()),
    ];
    Nested { source, sections }
}

fn with_message(backend: Backend, source: &str) -> (Server, Imap) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    operator.mailbox("ada@example.org");
    let mut imap = server.imap().login("ada@example.org");
    imap.ok(&format!("APPEND INBOX {{{}+}}\r\n{source}", source.len()));
    imap.ok("SELECT INBOX");
    (server, imap)
}

fn sections_are_the_octets_that_were_delivered(backend: Backend) {
    let Nested { source, sections } = nested();
    let (_server, mut imap) = with_message(backend, &source);
    let mut random = Random::new(7);
    for (section, octets) in &sections {
        let told = imap.ok(&format!("FETCH 1 BODY.PEEK[{section}]"));
        let size = octets.len();
        assert_eq!(told, [format!("* 1 FETCH (BODY[{section}] {{{size}}}\r\n{octets})")], "{section}");
        for _ in 0..6 {
            let (offset, count) = (random.below(size + 4), 1 + random.below(size + 4));
            let part = &octets[offset.min(size)..(offset + count).min(size)];
            let told = imap.ok(&format!("FETCH 1 BODY.PEEK[{section}]<{offset}.{count}>"));
            let expected = format!("* 1 FETCH (BODY[{section}]<{offset}> {{{}}}\r\n{part})", part.len());
            assert_eq!(told, [expected], "{section}<{offset}.{count}>");
        }
        // Far beyond the end and with the largest numbers there are.
        let told = imap.ok(&format!("FETCH 1 BODY.PEEK[{section}]<4294967295.4294967295>"));
        assert_eq!(told, [format!("* 1 FETCH (BODY[{section}]<4294967295> {{0}}\r\n)")], "{section}");
    }
    // RFC 9051 §7.5.2: a part that is not there is NIL.
    assert_eq!(imap.ok("FETCH 1 BODY.PEEK[9]"), ["* 1 FETCH (BODY[9] NIL)"]);
    assert_eq!(imap.ok("FETCH 1 BODY.PEEK[2.2.2.MIME]"), ["* 1 FETCH (BODY[2.2.2.MIME] NIL)"]);
    // RFC 9051 §9, nz-number: a part of nothing cannot be asked for.
    assert!(imap.command("FETCH 1 BODY.PEEK[0]").status.starts_with("BAD"));
    assert!(imap.command("FETCH 1 BODY.PEEK[]<0.0>").status.starts_with("BAD"));
    assert!(imap.command("FETCH 1 BODY.PEEK[MIME]").status.starts_with("BAD"));
    let structure = imap.ok("FETCH 1 BODYSTRUCTURE").join("");
    for piece in ["\"innermost\"", "\"inner\"", "(\"TEXT\" \"HTML\"", "\"forwarded\"", "(\"BOUNDARY\" \"in\")"] {
        assert!(structure.contains(piece), "{piece} is not in {structure}");
    }
}

/// RFC 3516, RFC 9051 §6.4.5.
fn decoded_parts_are_what_was_encoded(backend: Backend) {
    let octets: Vec<u8> = (0..3_000u32).map(|n| (n % 128) as u8 ^ ((n / 128) as u8 % 16)).collect();
    let text = "Grüße aus Köln, = und noch mehr ".repeat(20);
    let quoted: String = text
        .bytes()
        .collect::<Vec<_>>()
        .chunks(20)
        .map(|line| line.iter().map(|octet| format!("={octet:02X}")).collect::<String>() + "=\r\n")
        .collect();
    let encoded = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(&octets)
    };
    let folded: String = encoded.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + "\r\n").collect();
    let part = |kind: &str, encoding: &str, body: &str| {
        format!("--b\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n")
    };
    let source = format!(
        "Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}{}{}{}--b--\r\n",
        part("application/octet-stream", "base64", folded.trim_end()),
        part("text/plain; charset=utf-8", "quoted-printable", quoted.trim_end()),
        part("text/plain", "7bit", "plain"),
        part("text/plain", "x-unknown", "?")
    );
    let (_server, mut imap) = with_message(backend, &source);
    let binary = String::from_utf8_lossy(&octets).into_owned();
    let expected = [(1, binary.as_str()), (2, text.as_str()), (3, "plain")];
    let mut random = Random::new(11);
    for (number, decoded) in expected {
        let size = decoded.len();
        assert_eq!(
            imap.ok(&format!("FETCH 1 BINARY.SIZE[{number}]")),
            [format!("* 1 FETCH (BINARY.SIZE[{number}] {size})")]
        );
        let told = imap.ok(&format!("FETCH 1 BINARY.PEEK[{number}]"));
        assert_eq!(told, [format!("* 1 FETCH (BINARY[{number}] ~{{{size}}}\r\n{decoded})")]);
        for _ in 0..8 {
            let bound = |at: usize| (0..=at.min(size)).rev().find(|at| decoded.is_char_boundary(*at)).unwrap_or(0);
            let from = bound(random.below(size + 1));
            let to = bound(from + 1 + random.below(size)).max(from);
            let Some(count) = Some(to - from).filter(|count| *count > 0) else { continue };
            let told = imap.ok(&format!("FETCH 1 BINARY.PEEK[{number}]<{from}.{count}>"));
            let part = &decoded[from..to];
            assert_eq!(told, [format!("* 1 FETCH (BINARY[{number}]<{from}> ~{{{count}}}\r\n{part})")]);
        }
    }
    // RFC 9051 §6.4.5.1: what cannot be decoded is refused by name.
    let answer = imap.command("FETCH 1 BINARY.PEEK[4]");
    assert!(answer.status.starts_with("NO [UNKNOWN-CTE]"), "{}", answer.status);
    assert_eq!(imap.ok("FETCH 1 FLAGS"), ["* 1 FETCH (FLAGS ())"], "nothing of it sets \\Seen");
    imap.ok("FETCH 1 BINARY[3]");
    assert_eq!(imap.ok("FETCH 1 FLAGS"), ["* 1 FETCH (FLAGS (\\Seen))"]);
}
