//! Summaries of ordinary, odd and hostile messages.
//!
//! Positions are checked against the octets themselves, sizes against `model::bounds`.

use super::*;
use proptest::prelude::*;

fn summary(message: &[u8]) -> bytes::Bytes {
    let mut summarizer = Summarizer::default();
    summarizer.push(message);
    summarizer.finish()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn structure(message: &str) -> String {
    text(SummaryView::new(&summary(message.as_bytes())).unwrap().body())
}

fn slice(message: &str, range: std::ops::Range<u64>) -> &str {
    &message[range.start as usize..range.end as usize]
}

#[test]
fn a_plain_message() {
    let message = "From: Ann <a@x.org>\r\nSubject: =?utf-8?q?h?=\r\n folded\r\nTo: b@y, G: c@z;\r\n\r\nhi\r\nthere\r\n";
    let stored = summary(message.as_bytes());
    let view = SummaryView::new(&stored).unwrap();
    let ann = r#"(("Ann" NIL "a" "x.org"))"#;
    let to = r#"((NIL NIL "b" "y")(NIL NIL "G" NIL)(NIL NIL "c" "z")(NIL NIL NIL NIL))"#;
    let expected = format!(r#"(NIL "=?utf-8?q?h?= folded" {ann} {ann} {ann} {to} NIL NIL NIL NIL)"#);
    assert_eq!(text(view.envelope()), expected);
    let body = r#"("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 11 2"#;
    assert_eq!(text(view.body()), format!("{body})"));
    assert_eq!(text(view.body_structure()), format!("{body} NIL NIL NIL NIL)"));
    let part = view.part(&[1]).unwrap();
    assert_eq!(slice(message, part.body), "hi\r\nthere\r\n");
    assert_eq!(view.header_len() as usize, message.find("\r\n\r\n").unwrap() + 4);
    assert!(view.part(&[2]).is_none() && view.part(&[1, 1]).is_none());
}

const NESTED: &str = "Content-Type: multipart/mixed; boundary=\"a\"\r\n\r\npre\r\n--a\r\n\r\none\r\n--ab\r\nstill\r\n--a \r\n\
    Content-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: multipart/alternative; boundary=ab\r\n\r\n\
    --ab\r\nContent-Type: text/html; name=x\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: inline\r\n\r\nPGI+\r\n\r\n--ab--\r\n--a--\r\nepilogue\r\n";

#[test]
fn parts_within_parts() {
    let stored = summary(NESTED.as_bytes());
    let view = SummaryView::new(&stored).unwrap();
    let one = view.part(&[1]).unwrap();
    assert_eq!(slice(NESTED, one.body), "one\r\n--ab\r\nstill");
    let two = view.part(&[2]).unwrap();
    let inner = two.message.unwrap();
    assert!(slice(NESTED, inner.header).starts_with("Subject: in"));
    assert!(slice(NESTED, inner.body).ends_with("--ab--"));
    let html = view.part(&[2, 1]).unwrap();
    assert_eq!((slice(NESTED, html.body), html.encoding), ("PGI+\r\n", &b"base64"[..]));
    let expected = concat!(
        r#"(("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 16 3)"#,
        r#"("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 184 "#,
        r#"(NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL) (("TEXT" "HTML" ("NAME" "x") NIL NIL "BASE64" 6 1) "ALTERNATIVE") 11) "MIXED")"#
    );
    assert_eq!(text(view.body()), expected);
    assert!(
        text(view.body_structure())
            .contains(r#" NIL ("INLINE" NIL) NIL NIL) "ALTERNATIVE" ("BOUNDARY" "ab") NIL NIL NIL)"#)
    );
}

#[test]
fn odd_messages_have_a_structure() {
    let plain = |octets: usize, lines: usize| {
        format!(r#"("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" {octets} {lines})"#)
    };
    assert_eq!(structure(""), plain(0, 0));
    assert_eq!(structure("\r\n"), plain(0, 0));
    assert_eq!(structure("\n\nx"), plain(2, 2));
    assert_eq!(structure("no colon and no end"), plain(0, 0));
    assert_eq!(structure("A: b\r\n\r\n\r"), plain(1, 1));
    let head = "Content-Type: multipart/mixed; boundary=x\r\n\r\n";
    assert_eq!(structure(head), format!(r#"({} "MIXED")"#, plain(0, 0)));
    assert_eq!(structure(&format!("{head}--x")), format!(r#"({} "MIXED")"#, plain(0, 0)));
    assert_eq!(structure(&format!("{head}--x\n--x\n\nab")), format!(r#"({}{} "MIXED")"#, plain(0, 0), plain(2, 1)));
    let opaque = structure("Content-Type: multipart/mixed\r\n\r\nx");
    assert!(opaque.starts_with(r#"("APPLICATION" "OCTET-STREAM""#), "{opaque}");
    let encoded = structure("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nx");
    assert!(encoded.starts_with(r#"("APPLICATION" "OCTET-STREAM""#), "{encoded}");
}

#[test]
fn strange_octets_become_valid_strings() {
    let stored = summary(b"Subject: \xff\0\r\nFrom: \"a\\\"b\" (c) <@r:q@h>, x (Name), <>\r\n\r\n");
    let envelope = text(SummaryView::new(&stored).unwrap().envelope());
    assert!(
        envelope.starts_with(
            "(NIL {1}\r\n\u{fffd} ((\"a\\\"b\" \"@r\" \"q\" \"h\")(\"Name\" NIL \"x\" \"\")(NIL NIL \"\" \"\"))"
        ),
        "{envelope}"
    );
}

#[test]
fn hostile_messages_are_bounded() {
    let nested: String =
        (0..10_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
    let rfc822 = "Content-Type: message/rfc822\n\n".repeat(10_000);
    let parts = format!("Content-Type: multipart/mixed; boundary=x\n\n{}", "--x\n\n".repeat(1_000_000));
    let addresses = format!("To: {}\n\n", "a@b, ".repeat(20_000)) + &"To: a@b,\n".repeat(100_000);
    let many = format!("To: a@b\n{}\n", "To: c@d, e@f\n".repeat(100_000));
    let parameters = format!("Content-Type: a/b{}\n\n", ";n*1*=v".repeat(100_000));
    let comments = format!("From: {}\n\n", "(".repeat(100_000));
    for message in [nested, rfc822, parts, addresses, many, parameters, comments] {
        let stored = summary(message.as_bytes());
        assert!(SummaryView::new(&stored).is_some());
        assert!(stored.len() < 2_000_000, "{}", stored.len());
    }
}

#[test]
fn as_many_parts_as_another_parser_finds() {
    let parsed = mail_parser::MessageParser::default().parse(NESTED.as_bytes()).unwrap();
    let view = summary(NESTED.as_bytes());
    let view = SummaryView::new(&view).unwrap();
    // The multipart itself is one of its parts.
    let theirs = parsed.parts.len() - 1;
    let ours = (1..).take_while(|n| view.part(&[*n]).is_some()).count();
    assert_eq!(ours, theirs);
}

fn message_ish() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "Content-Type: multipart/mixed; boundary=a\r\n",
        "Content-Type: message/rfc822\n",
        "Content-Type: multipart/digest; boundary=\"ab\"\n",
        "--a\r\n",
        "--ab\n",
        "--a--\r\n",
        "--",
        "\r\n",
        "\n",
        "\r",
        "From: a <b@c>, (d) e@f\r\n",
        "Subject: x\r\n",
        " ",
        "\t",
        "text",
        "\0",
        "\"",
        "(",
        ";",
        ":",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_summary(message in message_ish(), piece in 1usize..7) {
        let mut summarizer = Summarizer::default();
        message.chunks(piece).for_each(|octets| summarizer.push(octets));
        let stored = summarizer.finish();
        prop_assert!(SummaryView::new(&stored).is_some());
        prop_assert_eq!(stored, summary(&message));
    }

    #[test]
    fn parts_lie_within_the_message(message in message_ish()) {
        let stored = summary(&message);
        let view = SummaryView::new(&stored).unwrap();
        for numbers in [&[1][..], &[2], &[1, 1], &[1, 2], &[2, 1, 1]] {
            if let Some(part) = view.part(numbers) {
                prop_assert!(part.header.start <= part.header.end && part.header.end == part.body.start);
                prop_assert!(part.body.start <= part.body.end && part.body.end <= message.len() as u64);
            }
        }
    }

    #[test]
    fn random_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        summary(&octets);
        if let Some(view) = SummaryView::new(&octets) {
            let _ = (view.part(&[1]), view.part(&[1, 2, 3]));
        }
    }
}

/// However much header text its parts have, a summary stays small, and names every part.
#[test]
fn a_summary_is_bounded() {
    let part = format!("--b\r\nContent-Description: {}\r\n\r\nx\r\n", "d".repeat(100_000));
    let message = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n", part.repeat(100));
    let mut summarizer = Summarizer::default();
    summarizer.push(message.as_bytes());
    let summary = summarizer.finish();
    assert!(summary.len() < 4 * crate::model::bounds::PARTS_TEXT_OCTETS, "{}", summary.len());
    let view = SummaryView::new(&summary).unwrap();
    assert!(view.part(&[1]).is_some() && view.part(&[100]).is_some());
}

/// An address list that never becomes one is read once.
#[test]
fn colons_after_an_at_sign_cost_no_more_than_letters() {
    let field =
        [b"To: ".to_vec(), vec![b'a'; 100_000], b"@".to_vec(), vec![b':'; 900_000], b"\r\n\r\n".to_vec()].concat();
    let mut summarizer = Summarizer::default();
    summarizer.push(&field);
    assert!(SummaryView::new(&summarizer.finish()).is_some());
}
