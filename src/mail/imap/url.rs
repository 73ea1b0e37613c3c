//! IMAP URLs (RFC 5092, with the parts of RFC 4467 §3 and RFC 5550 §3): text to a message, its section and its octets.
//!
//! Pure. Invariant: what is read is used whole; a URL with anything that is not understood is none.

use super::command::{Partial, Section};
use super::wire::parse;
use crate::model::FolderName;
use percent_encoding::percent_decode_str;

/// A URL of a message or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImapUrl {
    /// Whose it is and where, in an absolute one.
    pub(super) authority: Option<Authority>,
    /// The folder; none in one that is relative to the selected folder.
    pub(super) folder: Option<FolderName>,
    /// The folder's UIDVALIDITY.
    pub(super) uid_validity: Option<u32>,
    /// The message.
    pub(super) uid: u32,
    /// Its section; the whole message where none is named.
    pub(super) section: Section,
    /// The octets of the section.
    pub(super) partial: Option<Partial>,
    /// Who may fetch it until when, in an authorized one.
    pub(super) authorized: Option<Authorized>,
}

/// `user@host:port`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) user: String,
    pub(super) host: String,
}

/// `;EXPIRE=…;URLAUTH=user+ada:INTERNAL:…` (RFC 4467 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authorized {
    /// When it ends, Unix seconds.
    pub(super) expires_at: Option<i64>,
    pub(super) access: Access,
    /// What the token signs: all up to the mechanism.
    pub(super) rump: String,
    /// The mechanism, in upper case, and the token in hexadecimal; none in what is to be authorized.
    pub(super) token: Option<(String, String)>,
}

/// Who may fetch it (RFC 4467 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// This user's submission server.
    Submit(String),
    /// This user.
    User(String),
    /// Whoever has signed in.
    AuthUser,
    /// Everybody.
    Anonymous,
}

impl ImapUrl {
    /// Reads a URL.
    pub(super) fn new(text: &str) -> Option<Self> {
        let (authority, path) = match strip(text, "imap://") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/')?);
                (Some(Authority::new(authority)?), path)
            }
            None => (None, text),
        };
        let (path, authorized) = match find(path, ";URLAUTH=") {
            Some(at) => {
                // Where the URL as a whole goes on behind the path's beginning.
                let before = text.len() - path.len();
                let (path, auth) = path.split_at(at);
                let (path, expires_at) = match find(path, ";EXPIRE=") {
                    Some(at) => (path.get(..at)?, Some(date(path.get(at + ";EXPIRE=".len()..)?)?)),
                    None => (path, None),
                };
                (path, Some(Authorized::new(text, before + at, auth.get(";URLAUTH=".len()..)?, expires_at)?))
            }
            None => (path, None),
        };
        let (folder, rest) = match path.strip_prefix('/') {
            Some(path) => {
                let end = find(path, "/;UID=")?;
                (Some(path.get(..end)?), path.get(end + 1..)?)
            }
            None => (None, path),
        };
        let mut url = Self::message(rest)?;
        if let Some(folder) = folder {
            let (name, validity) = match find(folder, ";UIDVALIDITY=") {
                Some(at) => (folder.get(..at)?, Some(folder.get(at + ";UIDVALIDITY=".len()..)?.parse().ok()?)),
                None => (folder, None),
            };
            url.folder = Some(decoded(name)?.parse().ok()?);
            url.uid_validity = validity;
        }
        Some(Self { authority, authorized, ..url })
    }

    /// `;UID=20/;SECTION=1.2/;PARTIAL=0.1024`
    fn message(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let uid = strip(parts.next()?, ";UID=")?.parse().ok().filter(|uid| *uid > 0)?;
        let (mut section, mut partial) = (Section::default(), None);
        let mut part = parts.next();
        if let Some(text) = part.and_then(|part| strip(part, ";SECTION=")) {
            section = parse::section(decoded(text)?.as_bytes())?;
            part = parts.next();
        }
        if let Some(text) = part.and_then(|part| strip(part, ";PARTIAL=")) {
            // RFC 5092 §6.1.1 partial-range: without a length, to the end.
            let (offset, count) = text.split_once('.').unwrap_or((text, ""));
            let count = if count.is_empty() { u64::MAX } else { count.parse().ok().filter(|count| *count > 0)? };
            partial = Some(Partial { offset: offset.parse().ok()?, count });
            part = parts.next();
        }
        let ends = part.is_none() && parts.next().is_none();
        let url = Self { authority: None, folder: None, uid_validity: None, uid, section, partial, authorized: None };
        ends.then_some(url)
    }
}

impl Authority {
    fn new(text: &str) -> Option<Self> {
        let (user, host) = text.rsplit_once('@')?;
        // RFC 5092 §3.2: how one would sign in says nothing of whose it is.
        let user = find(user, ";AUTH=").map_or(Some(user), |at| user.get(..at))?;
        let host = host.split(':').next()?;
        Some(Self { user: decoded(user)?, host: host.to_owned() })
    }
}

impl Authorized {
    /// `text` is the whole URL, `at` where `;URLAUTH=` begins in it, `auth` what stands behind that.
    fn new(text: &str, at: usize, auth: &str, expires_at: Option<i64>) -> Option<Self> {
        let mut fields = auth.split(':');
        let access = fields.next()?;
        let rump = text.get(..at + ";URLAUTH=".len() + access.len())?.to_owned();
        let token = match (fields.next(), fields.next(), fields.next()) {
            (None, ..) => None,
            (Some(mechanism), Some(token), None) => Some((mechanism.to_ascii_uppercase(), token.to_owned())),
            _ => return None,
        };
        let access = match access {
            "authuser" => Access::AuthUser,
            "anonymous" => Access::Anonymous,
            other => match other.split_once('+')? {
                ("submit", user) => Access::Submit(decoded(user)?),
                ("user", user) => Access::User(decoded(user)?),
                _ => return None,
            },
        };
        Some(Self { expires_at, access, rump, token })
    }
}

/// RFC 3339 date-time in Unix seconds.
fn date(text: &str) -> Option<i64> {
    decoded(text)?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Where a word begins, compared without case.
fn find(text: &str, word: &str) -> Option<usize> {
    text.to_ascii_uppercase().find(&word.to_ascii_uppercase())
}

fn strip<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).and_then(|_| text.get(word.len()..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::imap::command::SectionText;

    #[test]
    fn urls_name_messages_and_their_parts() {
        let url = ImapUrl::new("/Sent%20Mail/2026;UIDVALIDITY=785799047/;UID=113330/;section=1.5.9").unwrap();
        assert_eq!(url.folder.unwrap().as_str(), "Sent Mail/2026");
        assert_eq!((url.uid_validity, url.uid, url.section.part), (Some(785_799_047), 113_330, vec![1, 5, 9]));
        let url = ImapUrl::new("/INBOX/;UID=20/;SECTION=1.MIME/;PARTIAL=10.1024").unwrap();
        assert_eq!(url.section.text, Some(SectionText::Mime));
        assert_eq!(url.partial, Some(Partial { offset: 10, count: 1024 }));
        let url = ImapUrl::new(";UID=7/;PARTIAL=3").unwrap();
        assert_eq!((url.folder, url.uid, url.partial), (None, 7, Some(Partial { offset: 3, count: u64::MAX })));
        let url = ImapUrl::new("IMAP://ada%40example.org;AUTH=*@mail.example.org:143/INBOX/;UID=1").unwrap();
        assert_eq!(url.authority, Some(Authority { user: "ada@example.org".into(), host: "mail.example.org".into() }));
    }

    #[test]
    fn authorized_urls_say_for_whom() {
        let text = "imap://a%40b.c@h/INBOX/;UID=1;EXPIRE=1970-01-01T00:01:00Z;URLAUTH=user+x%40y.z:internal:00ff";
        let authorized = ImapUrl::new(text).unwrap().authorized.unwrap();
        assert_eq!(authorized.expires_at, Some(60));
        assert_eq!(authorized.access, Access::User("x@y.z".into()));
        assert_eq!(authorized.token, Some(("INTERNAL".into(), "00ff".into())));
        assert_eq!(authorized.rump, text.strip_suffix(":internal:00ff").unwrap());
        let rump = ImapUrl::new("imap://a@h/INBOX/;UID=1/;SECTION=TEXT;URLAUTH=submit+fred").unwrap();
        assert_eq!(rump.section.text, Some(SectionText::Text));
        assert_eq!(rump.authorized.unwrap().token, None);
    }

    #[test]
    fn anything_else_is_no_url_of_a_message() {
        for wrong in [
            "",
            "/INBOX",
            "/INBOX/;UID=0",
            "/INBOX/;UID=x",
            "/INBOX/;UID=1/;SECTION=1..2",
            "/INBOX/;UID=1/x",
            "//;UID=1",
            "/INBOX;UIDVALIDITY=x/;UID=1",
            "imap://h/INBOX/;UID=1",
            "http://a@h/INBOX/;UID=1",
            "/a/;UID=1;URLAUTH=root+x",
            "/a/;UID=1;EXPIRE=soon;URLAUTH=authuser",
            "/a/;UID=1;URLAUTH=authuser:internal",
            "/%ff/;UID=1",
            "é;UID=1",
        ] {
            assert_eq!(ImapUrl::new(wrong), None, "{wrong}");
        }
    }
}
