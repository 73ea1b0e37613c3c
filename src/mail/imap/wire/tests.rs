//! The wire as a whole: examples of the RFCs, literals, bounds, and any input in any pieces.
//!
//! They speak to [`Wire`] as a session does; a property test holds that no split of the input matters.

use super::*;
use crate::mail::imap::command::{Command, FetchItem, SearchKey, SequenceSet};
use crate::model::bounds;
use bytes::{Buf, BytesMut};
use proptest::prelude::*;

fn steps(wire: &mut Wire, pieces: &[&[u8]]) -> (Vec<Step>, String) {
    let (mut input, mut out, mut steps) = (BytesMut::new(), Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match wire.next(&mut input, &mut out) {
                Step::More => break,
                Step::Append(append) => {
                    wire.refuse_append();
                    steps.push(Step::Append(append));
                }
                step => {
                    let over = matches!(step, Step::Close(_));
                    steps.push(step);
                    if over {
                        return (steps, String::from_utf8(out).unwrap());
                    }
                }
            }
        }
    }
    (steps, String::from_utf8(out).unwrap())
}

fn signed_in() -> Wire {
    let mut wire = Wire::new();
    wire.signed_in();
    wire
}

fn parsed(line: &str) -> Result<Command, &'static str> {
    let octets = line.replace('\n', "\r\n");
    parse::command(format!("a1 {octets}").as_bytes(), bounds::IMAP_NESTING).map(|t| t.command).map_err(|e| e.text)
}

#[test]
fn commands_of_the_rfcs_are_read() {
    for line in [
        "CAPABILITY",
        "noop",
        "LOGOUT",
        "STARTTLS",
        "ID NIL",
        "ID (\"name\" \"sodr\" \"version\" NIL)",
        "ID ()",
        "ENABLE CONDSTORE X-GOOD-IDEA",
        "AUTHENTICATE PLAIN",
        "AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=",
        "LOGIN SMITH SESAME",
        "LOGIN \"a \\\"b\\\\\" {3}\nx y",
        "SELECT INBOX",
        "SELECT INBOX (CONDSTORE)",
        "EXAMINE x (QRESYNC (67890007 90060115194045000 41:211,214:541))",
        "SELECT x (QRESYNC (1 2 (1,3 5,7)))",
        "SELECT x (QRESYNC (1 2 1:9 (1,3 5,7)) CONDSTORE)",
        "UNSELECT",
        "UNAUTHENTICATE",
        "COMPRESS DEFLATE",
        "SORT (SUBJECT REVERSE DATE) UTF-8 ALL",
        "UID SORT RETURN (COUNT PARTIAL 1:5) (DISPLAYFROM) US-ASCII UNSEEN",
        "THREAD REFERENCES UTF-8 SINCE 5-MAR-2000",
        "UID FETCH 1:* (FLAGS PREVIEW (LAZY) EMAILID THREADID) (PARTIAL -1:-30)",
        "CLOSE",
        "CREATE owatagusiam/",
        "CREATE MyDrafts (USE (\\Drafts))",
        "DELETE blurdybloop",
        "RENAME a \"b c\"",
        "SUBSCRIBE #news.comp",
        "UNSUBSCRIBE &Jjo-",
        "LIST \"\" *",
        "LIST (SUBSCRIBED) \"\" \"*\"",
        "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (\"INBOX\" \"Drafts\") RETURN (CHILDREN STATUS (MESSAGES UNSEEN))",
        "LIST () \"\" % RETURN (SPECIAL-USE SUBSCRIBED)",
        "LSUB \"#news.\" \"comp.mail.*\"",
        "NAMESPACE",
        "STATUS blurdybloop (UIDNEXT MESSAGES HIGHESTMODSEQ DELETED-STORAGE)",
        "CHECK",
        "EXPUNGE",
        "UID EXPUNGE 3000:3002",
        "SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
        "SEARCH RETURN (MIN COUNT) 2,10:11,* UID 1:*",
        "SEARCH RETURN () CHARSET UTF-8 TEXT {6}\nмат",
        "UID SEARCH RETURN (SAVE) $ SMALLER 4096",
        "SEARCH OR (SEEN DELETED) OR NOT NEW OLD",
        "SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338",
        "SEARCH MODSEQ 1",
        "SEARCH HEADER Message-ID \"\" UNKEYWORD $Junk SENTON \"25-Dec-2025\"",
        "SEARCH YOUNGER 3600 SAVEDBEFORE 1-Jan-2026",
        "FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])",
        "FETCH 1 ALL",
        "UID FETCH *:4 (FLAGS) (CHANGEDSINCE 12345 VANISHED)",
        "FETCH 1 BODY[]<0.2048>",
        "FETCH 1 (BODY.PEEK[4.2.2.1.MIME] BINARY.PEEK[1.2]<1.2> BINARY.SIZE[3] BODY[3.HEADER.FIELDS.NOT (a)])",
        "FETCH $ (RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE MODSEQ SAVEDATE BODY BODYSTRUCTURE UID)",
        "STORE 2:4 +FLAGS (\\Deleted)",
        "STORE 1 FLAGS.SILENT \\Seen $Work",
        "UID STORE * (UNCHANGEDSINCE 0) -FLAGS ()",
        "COPY 2:4 MEETING",
        "UID MOVE 42:69 foo",
        "IDLE",
        "GETQUOTA \"\"",
        "GETQUOTAROOT INBOX",
        "SETQUOTA \"\" (STORAGE 512)",
    ] {
        assert!(parsed(line).is_ok(), "{line}: {:?}", parsed(line));
    }
}

#[test]
fn what_is_not_in_the_grammar_is_refused() {
    for line in [
        "",
        "NOOP x",
        "FROB",
        "LOGIN a",
        "LOGIN a b c",
        "LOGIN a \"b",
        "LOGIN \"a\0\" b",
        "FETCH 0 FLAGS",
        "FETCH 1:",
        "FETCH 1 (FLAGS",
        "FETCH 1 (ALL)",
        "FETCH 1 BODY[MIME]",
        "FETCH 1 BODY[0]",
        "FETCH 1 BODY[1.]",
        "FETCH 1 BODY[]<0.0>",
        "FETCH 4294967296 UID",
        "FETCH 1 FLAGS (VANISHED)",
        "STORE 1 FLAGS (\\Nonsense)",
        "LIST (RECURSIVEMATCH) \"\" *",
        "SEARCH",
        "SEARCH ON 31-Feb-2025",
        "STATUS x ()",
        "SELECT x (QRESYNC (1 2 $))",
        "SEARCH LARGER 9223372036854775808",
        "UID NOOP",
        "AUTHENTICATE PLAIN a b",
        "APPEND x",
        "ENABLE",
        "SEARCH KEYWORD \\Seen",
    ] {
        assert!(parsed(line).is_err(), "{line}: {:?}", parsed(line));
    }
}

#[test]
fn values_are_what_was_written() {
    let Ok(Command::Fetch(fetch)) = parsed("UID FETCH 5,1:* FULL") else { panic!() };
    assert_eq!(fetch.items.len(), 5);
    assert!(fetch.uid && fetch.items.contains(&FetchItem::Body));
    let Ok(Command::Search(search)) = parsed("SEARCH RETURN () NOT ($ SUBJECT {2}\nhi)") else { panic!() };
    assert!(search.returning.is_some_and(|r| r.all && !r.min));
    let inside = SearchKey::And(vec![
        SearchKey::Sequence(SequenceSet::Saved),
        SearchKey::Header(b"SUBJECT".to_vec(), b"hi".to_vec()),
    ]);
    assert_eq!(search.key, SearchKey::Not(Box::new(inside)));
    let Ok(Command::Store(store)) = parsed("STORE 1 +FLAGS (\\seen Work work \\Recent $a)") else { panic!() };
    assert_eq!(store.flags.keywords, ["Work", "$a"]);
    assert!(store.flags.system == crate::model::Flags::SEEN && !store.silent);
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("SEARCH {}ALL{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parsed(&nested(bounds::IMAP_NESTING)).is_ok());
    assert!(parsed(&nested(bounds::IMAP_NESTING + 1)).is_err());
    assert!(parsed(&format!("SEARCH {}ALL", "NOT ".repeat(9000))).is_err());
}

#[test]
fn literals_of_both_kinds_and_pipelining() {
    let (got, out) = steps(&mut Wire::new(), &[b"a LOGIN {3}\r\nfoo {3+}\r\nbar\r\nb NOOP\r\nc BAD\r\n"]);
    assert_eq!(out, "+ Go on\r\n");
    assert!(matches!(&got[0], Step::Command(t) if matches!(&t.command, Command::Login { user, .. } if user == b"foo")));
    assert!(matches!(&got[1], Step::Command(t) if t.tag == "b"));
    assert!(matches!(&got[2], Step::Bad { tag: Some(tag), .. } if tag == "c"));
}

#[test]
fn bounds_before_and_after_login() {
    let login = |octets: &str, mark: &str| format!("a LOGIN {{{octets}{mark}}}\r\n");
    for octets in ["4097", "2147483648", "9223372036854775808", "1000000000000000000000000000000"] {
        let (got, out) = steps(&mut Wire::new(), &[login(octets, "").as_bytes(), b"b NOOP\r\n"]);
        assert!(matches!(&got[..], [Step::Bad { .. }, Step::Command(_)]) && out.is_empty(), "{got:?}");
        let (got, _) = steps(&mut Wire::new(), &[login(octets, "+").as_bytes()]);
        assert!(matches!(&got[..], [Step::Close(_)]), "{got:?}");
    }
    let long = vec![b'x'; bounds::IMAP_LINE_BEFORE_LOGIN_OCTETS];
    let (got, _) = steps(&mut Wire::new(), &[b"a ", &long, b"\r\nb NOOP\r\n"]);
    assert!(matches!(&got[..], [Step::Bad { tag: Some(_), .. }, Step::Command(_)]), "{got:?}");
    let (got, _) = steps(&mut Wire::new(), &[b"a ", &long, b"{9+}\r\nb NOOP\r\n"]);
    assert!(matches!(&got[..], [Step::Close(_)]), "{got:?}");
    let endless = vec![b'x'; bounds::IMAP_LINE_OCTETS + bounds::OVERLONG_LINE_OCTETS + 2];
    let (got, _) = steps(&mut signed_in(), &[&endless]);
    assert!(matches!(&got[..], [Step::Close(_)]), "{got:?}");
    let many = "{0+}\r\n ".repeat(bounds::IMAP_LITERALS + 1);
    let (got, _) = steps(&mut signed_in(), &[format!("a NOOP {many}").as_bytes()]);
    assert!(matches!(&got[..], [Step::Close(_)]), "{got:?}");
}

#[test]
fn append_hands_its_messages_over() {
    let mut wire = signed_in();
    let mut out = Vec::new();
    let text = b"a APPEND {3+}\r\nS&- (\\Seen Work) \"17-Jul-1996 02:44:25 -0700\" {5+}\r\nhello ~{2}\r\nxy UTF8 (~{3+}\r\nabc)\r\nb NOOP\r\n";
    let mut input = BytesMut::from(&text[..]);
    let Step::Append(append) = wire.next(&mut input, &mut out) else { panic!() };
    assert_eq!((append.tag.as_str(), append.mailbox.text(false).as_deref()), ("a", Some("S&")));
    assert_eq!((append.message.octets, append.message.internal_date), (5, Some(837_596_665)));
    assert!(!append.message.synchronising && append.message.flags.keywords == ["Work"]);
    input.advance(5);
    let AppendStep::Message(second) = wire.next_message(&mut input) else { panic!() };
    assert!(second.binary && second.synchronising && second.octets == 2);
    input.advance(2);
    let AppendStep::Message(third) = wire.next_message(&mut input) else { panic!() };
    assert!(third.binary && third.utf8);
    input.advance(3);
    assert_eq!(wire.next_message(&mut input), AppendStep::End);
    assert!(matches!(wire.next(&mut input, &mut out), Step::Command(t) if t.tag == "b"));
    assert!(out.is_empty());
}

#[test]
fn a_refused_append_is_passed_over() {
    let all: &[&[u8]] = &[b"a APPEND x {8+}\r\nb NO", b"OP\r\n {3+}\r\nabc\r\n", b"c NOOP\r\n"];
    let (got, _) = steps(&mut signed_in(), all);
    assert!(matches!(&got[..], [Step::Append(_), Step::Command(t)] if t.tag == "c"), "{got:?}");
    let (got, _) = steps(&mut signed_in(), &[b"a APPEND x {8}\r\n", b"b NOOP\r\n"]);
    assert!(matches!(&got[..], [Step::Append(_), Step::Command(t)] if t.tag == "b"), "{got:?}");
}

#[test]
fn lines_of_sasl_and_idle() {
    let mut wire = Wire::new();
    let mut input = BytesMut::from(&b"dGVz"[..]);
    assert_eq!(wire.next_line(&mut input), Ok(None));
    input.extend_from_slice(b"dA==\r\nDONE\r\n");
    assert_eq!(wire.next_line(&mut input), Ok(Some(b"dGVzdA==".to_vec())));
    assert_eq!(wire.next_line(&mut input), Ok(Some(b"DONE".to_vec())));
    input.extend_from_slice(&vec![b'x'; bounds::IMAP_LINE_BEFORE_LOGIN_OCTETS + 1]);
    assert!(wire.next_line(&mut input).is_err());
}

fn grammar_ish() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "a ",
        "b1 ",
        "LOGIN ",
        "APPEND ",
        "x ",
        "FETCH ",
        "SEARCH ",
        "UID ",
        "STORE ",
        "LIST ",
        "1:*",
        "$",
        ",",
        "(",
        ")",
        "[",
        "]",
        "\"",
        "\\",
        "{3}\r\n",
        "{3+}\r\n",
        "~{2}\r\n",
        "UTF8 (",
        "abc",
        "\r\n",
        "\n",
        "\r",
        " ",
        "BODY",
        "HEADER.FIELDS ",
        "NOT ",
        "OR ",
        "<0.1>",
        "\0",
        "é",
        "*",
        "{99999999999999999999+}\r\n",
        "RETURN ",
        "\\Seen ",
        "17-Jul-1996",
        "+FLAGS ",
        "1",
        ".",
        "MIME",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|w| w.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_steps(octets in grammar_ish(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let whole = steps(&mut signed_in(), &[&octets]);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).chain([0, octets.len()]).collect();
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &octets[pair[0]..pair[1]]).collect();
        prop_assert_eq!(steps(&mut signed_in(), &pieces), whole);
    }

    #[test]
    fn random_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        steps(&mut Wire::new(), &[&octets]);
        let _ = parse::command(&octets, 4);
    }
}
