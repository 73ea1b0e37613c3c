//! CAPABILITY, ENABLE, ID, NAMESPACE: what this server can do and what it calls itself.
//!
//! Invariant: everything named here works, and works in the state in which it is named.

use super::encode;
use super::peer::Peer;
use super::reply::Reply;
use crate::mail::sign_in;
use crate::model::bounds;

/// Known before login; LITERAL+ has no effect that needs a login (RFC 7888 §4).
const ALWAYS: &str = "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE";
/// Named after login only: a client need not wade through it before.
const AFTER_LOGIN: &str = "NAMESPACE CHILDREN LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE \
    ACL RIGHTS=kxte LIST-MYRIGHTS METADATA LIST-METADATA MULTISEARCH UNSELECT UIDPLUS IDLE MOVE MULTIAPPEND CATENATE URLAUTH URL-PARTIAL ESEARCH SEARCHRES NOTIFY INPROGRESS ESORT CONTEXT=SEARCH CONTEXT=SORT SORT SORT=DISPLAY THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS WITHIN PARTIAL UIDONLY REPLACE PREVIEW OBJECTID I18NLEVEL=1 COMPRESS=DEFLATE UNAUTHENTICATE SAVEDATE BINARY CONDSTORE QRESYNC \
    STATUS=SIZE UTF8=ACCEPT QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE";

/// The capabilities now, for CAPABILITY and as a response code.
pub(super) fn text(peer: &Peer, signed_in: bool) -> String {
    if signed_in {
        // RFC 7889 §2: APPENDLIMIT=n holds for all folders.
        return format!("CAPABILITY {ALWAYS} {AFTER_LOGIN} APPENDLIMIT={}", bounds::MESSAGE_OCTETS);
    }
    let mut text = format!("CAPABILITY {ALWAYS}");
    if peer.conn.may_start_tls() {
        text.push_str(" STARTTLS");
    }
    // RFC 9051 §6.2.3: LOGINDISABLED while a login would go unprotected.
    if !peer.conn.may_login() {
        text.push_str(" LOGINDISABLED");
        return text;
    }
    text.push_str(" AUTH=PLAIN");
    for mechanism in sign_in::scram_mechanisms(&peer.conn, &peer.services) {
        text.push_str(" AUTH=");
        text.push_str(mechanism);
    }
    text
}

/// CAPABILITY.
pub(super) fn capability(peer: &mut Peer, signed_in: bool) -> Reply {
    let text = text(peer, signed_in);
    let out = peer.out();
    out.extend_from_slice(b"* ");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
    Reply::ok("CAPABILITY completed")
}

/// ENABLE (RFC 9051 §6.3.1): unknown names are passed over.
pub(super) fn enable(peer: &mut Peer, names: &[String]) -> Reply {
    let mut enabled = peer.enabled;
    let mut told = String::from("* ENABLED");
    for name in names {
        match name.as_str() {
            "IMAP4REV2" => enabled.rev2 = true,
            "UIDONLY" => enabled.uid_only = true,
            "CONDSTORE" => enabled.condstore = true,
            // RFC 6855 §3.
            "UTF8=ACCEPT" => enabled.utf8 = true,
            "QRESYNC" => {
                // RFC 7162 §3.2.3: QRESYNC implies CONDSTORE.
                enabled.qresync = true;
                enabled.condstore = true;
            }
            _ => continue,
        }
        told.push(' ');
        told.push_str(if name == "IMAP4REV2" { "IMAP4rev2" } else { name });
    }
    peer.enabled = enabled;
    told.push_str("\r\n");
    peer.out().extend_from_slice(told.as_bytes());
    Reply::ok("ENABLE completed")
}

/// ID (RFC 2971): our name; what the client says of itself is not kept.
pub(super) fn id(peer: &mut Peer) -> Reply {
    let out = peer.out();
    out.extend_from_slice(b"* ID (\"name\" ");
    encode::quoted(out, b"Facteur");
    out.extend_from_slice(b" \"version\" ");
    encode::quoted(out, env!("CARGO_PKG_VERSION").as_bytes());
    out.extend_from_slice(b")\r\n");
    Reply::ok("ID completed")
}

/// NAMESPACE (RFC 9051 §6.3.10): one personal namespace, nothing shared.
pub(super) fn namespace(peer: &mut Peer) -> Reply {
    peer.out().extend_from_slice(b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
    Reply::ok("NAMESPACE completed")
}
