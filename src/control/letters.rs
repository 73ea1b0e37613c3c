//! What mail of Facteur's own says, in English and French, as text and as HTML.
//!
//! Pure but for lettre, which writes the message. Names come in from people and are escaped where they go into HTML.
//! Invariant: every letter says the same in both parts, and holds one link.

use super::{Error, Result};
use crate::model::{EmailAddress, LinkKind, Locale};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use std::time::{Duration, SystemTime};

/// A letter before it is written.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Letter {
    /// What its link is.
    pub kind: LinkKind,
    /// In which language.
    pub locale: Locale,
    /// The token of its link.
    pub token: String,
    /// The name or address to sign in with.
    pub name: String,
    /// Who runs it: the name of the tenant.
    pub tenant: String,
    /// When the link ends, Unix milliseconds.
    pub expires_at: i64,
}

/// What every letter needs besides.
#[derive(Debug, Clone)]
pub struct Letterhead {
    /// The address that it comes from.
    pub from: EmailAddress,
    /// What its link begins with.
    pub link_url: String,
    /// Our host name.
    pub host: String,
}

/// The words of a letter.
struct Words {
    subject: String,
    greeting: &'static str,
    body: String,
    action: &'static str,
    end: String,
    ignore: &'static str,
}

fn words(letter: &Letter) -> Words {
    let Letter { name, tenant, .. } = letter;
    let end = jiff::Timestamp::from_millisecond(letter.expires_at).unwrap_or_default().strftime("%Y-%m-%d %H:%M UTC");
    match (letter.kind, letter.locale) {
        (LinkKind::Invitation, Locale::English) => Words {
            subject: format!("Choose the password of {name}"),
            greeting: "Hello,",
            body: format!("{tenant} has made an account for you: {name}. Choose its password to sign in."),
            action: "Choose the password",
            end: format!("The link works once, until {end}."),
            ignore: "If you do not expect this, ignore it: nothing happens.",
        },
        (LinkKind::Invitation, Locale::French) => Words {
            subject: format!("Choisissez le mot de passe de {name}"),
            greeting: "Bonjour,",
            body: format!(
                "{tenant} a créé un compte pour vous\u{a0}: {name}. Choisissez son mot de passe pour vous connecter."
            ),
            action: "Choisir le mot de passe",
            end: format!("Le lien est valable une seule fois, jusqu’au {end}."),
            ignore: "Si vous n’attendiez pas ce message, ignorez-le\u{a0}: rien ne se passera.",
        },
        (LinkKind::Reset, Locale::English) => Words {
            subject: format!("A new password for {name}"),
            greeting: "Hello,",
            body: format!("Somebody, probably you, asked {tenant} for a new password of {name}."),
            action: "Set a new password",
            end: format!("The link works once, until {end}."),
            ignore: "If it was not you, ignore this: the password stays as it is.",
        },
        (LinkKind::Reset, Locale::French) => Words {
            subject: format!("Un nouveau mot de passe pour {name}"),
            greeting: "Bonjour,",
            body: format!("Quelqu’un, sans doute vous, a demandé à {tenant} un nouveau mot de passe pour {name}."),
            action: "Définir un nouveau mot de passe",
            end: format!("Le lien est valable une seule fois, jusqu’au {end}."),
            ignore: "Si ce n’était pas vous, ignorez ce message\u{a0}: le mot de passe ne change pas.",
        },
    }
}

/// Text as HTML shows it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Letter {
    /// The link: the token stands behind `#`, which browsers send to nobody.
    fn link(&self, head: &Letterhead) -> String {
        format!("{}/set-password#token={}", head.link_url, self.token)
    }

    fn text(&self, words: &Words, link: &str) -> String {
        let Words { greeting, body, action, end, ignore, .. } = words;
        format!("{greeting}\n\n{body}\n\n{action}:\n{link}\n\n{end}\n{ignore}\n")
    }

    fn html(&self, words: &Words, link: &str) -> String {
        let Words { subject, greeting, body, action, end, ignore } = words;
        let locale = self.locale;
        let (subject, body, link) = (escaped(subject), escaped(body), escaped(link));
        format!(
            "<!doctype html>\n<html lang=\"{locale}\"><head><meta charset=\"utf-8\"><title>{subject}</title></head>\n\
             <body style=\"font-family:sans-serif;line-height:1.5\">\n<p>{greeting}</p>\n<p>{body}</p>\n\
             <p><a href=\"{link}\">{action}</a></p>\n<p>{end}<br>{ignore}</p>\n</body></html>\n"
        )
    }

    /// The message, as it goes out; `id` tells letters apart, `now` is Unix seconds.
    pub(super) fn write(&self, head: &Letterhead, to: &EmailAddress, id: i64, now: i64) -> Result<Vec<u8>> {
        let wrong = |what: String| Error::Internal(format!("a letter cannot be written: {what}"));
        let mailbox = |address: &EmailAddress| {
            let parsed = address.to_string().parse::<Address>().map_err(|e| wrong(e.to_string()))?;
            Ok::<_, Error>(Mailbox::new(None, parsed))
        };
        let (words, link) = (words(self), self.link(head));
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now).unwrap_or(0));
        // RFC 3834 §5: nobody is to answer it by a program.
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let message = Message::builder()
            .from(mailbox(&head.from)?)
            .to(mailbox(to)?)
            .subject(words.subject.clone())
            .date(date)
            .message_id(Some(format!("<facteur.{id:x}@{}>", head.host)))
            .raw_header(automatic)
            .multipart(MultiPart::alternative_plain_html(self.text(&words, &link), self.html(&words, &link)))
            .map_err(|e| wrong(e.to_string()))?;
        Ok(message.formatted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::MessageParser;

    #[test]
    fn letters_say_the_same_in_both_parts_and_languages() {
        let head = Letterhead {
            from: "postmaster@mail.example".parse().unwrap(),
            link_url: "https://panel.example".into(),
            host: "mail.example".into(),
        };
        for (kind, locale, said) in [
            (LinkKind::Invitation, Locale::English, "has made an account"),
            (LinkKind::Invitation, Locale::French, "a créé un compte"),
            (LinkKind::Reset, Locale::English, "a new password of"),
            (LinkKind::Reset, Locale::French, "un nouveau mot de passe"),
        ] {
            let (tenant, name) = ("<b>Éclair & Söhne</b>".to_owned(), "ada@example.org".to_owned());
            let letter = Letter { kind, locale, token: "t0ken".into(), name, tenant, expires_at: 1_790_000_000_000 };
            let octets = letter.write(&head, &"ada@elsewhere.example".parse().unwrap(), 7, 1_790_000_000).unwrap();
            assert!(octets.windows(2).filter(|pair| pair[1] == b'\n').all(|pair| pair[0] == b'\r'), "CRLF alone");
            let message = MessageParser::default().parse(&octets).unwrap();
            let (text, html) = (message.body_text(0).unwrap(), message.body_html(0).unwrap());
            for part in [&text, &html] {
                assert!(
                    part.contains(said) && part.contains("https://panel.example/set-password#token=t0ken"),
                    "{part}"
                );
                assert!(part.contains("2026-09-21"), "{part}");
            }
            assert!(text.contains("<b>Éclair & Söhne</b>"), "{text}");
            assert!(html.contains("&lt;b&gt;Éclair &amp; Söhne") && !html.contains("<b>"), "{html}");
            assert!(message.subject().unwrap().contains("ada@example.org"));
            assert_eq!(message.to().unwrap().first().unwrap().address(), Some("ada@elsewhere.example"));
            assert_eq!(message.message_id(), Some("facteur.7@mail.example"));
        }
    }
}
