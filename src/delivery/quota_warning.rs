//! The mail that tells a mailbox's owner how full it is, in English or French.
//!
//! It is delivered here and never leaves. Invariant: it always fits, and no program answers it (RFC 3834 §5).

use super::prefix;
use crate::directory::MailboxConfig;
use crate::model::{Quota, Usage};
use crate::store::{Delivery, MailboxRef, Store, StoreError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

/// In which language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// French.
    French,
}

/// What the mail says.
#[derive(Debug, Clone, Copy)]
pub struct QuotaWarning<'a> {
    /// The share that was come to, in percent.
    pub percent: u8,
    /// What the mailbox holds.
    pub usage: Usage,
    /// In which language.
    pub language: Language,
    /// Our host name.
    pub host: &'a str,
    /// Unix seconds.
    pub now: i64,
}

impl QuotaWarning<'_> {
    /// Delivers it into the mailbox.
    ///
    /// # Errors
    /// The store's.
    pub async fn deliver(&self, store: &Store, mailbox: &MailboxConfig) -> Result<(), StoreError> {
        let mut stager = store.stage();
        stager.write(self.text(mailbox).as_bytes()).await?;
        let body = stager.finish().await?;
        let delivery = Delivery {
            mailbox: MailboxRef { id: mailbox.id, tenant: mailbox.tenant },
            // It tells that there is no room: it must not be refused for that.
            quota: Quota::default(),
            prefix: prefix::of(None, &mailbox.address),
            internal_date: self.now,
        };
        store.deliver(Arc::new(body), vec![delivery]).await.map(drop)
    }

    fn text(&self, mailbox: &MailboxConfig) -> String {
        let (subject, body) = match self.language {
            Language::English => self.english(mailbox),
            Language::French => self.french(mailbox),
        };
        let date = jiff::Timestamp::from_second(self.now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let date = date.strftime("%a, %d %b %Y %H:%M:%S +0000");
        let (host, address, language) = (self.host, &mailbox.address, self.language.tag());
        let id = format!("quota.{}.{}.{}", mailbox.id, self.percent, self.now);
        // RFC 2047 §2: an encoded-word has at most 75 characters, which these subjects keep to.
        let subject = if subject.is_ascii() { subject } else { format!("=?utf-8?B?{}?=", STANDARD.encode(subject)) };
        format!(
            "From: Facteur <postmaster@{host}>\r\nTo: {address}\r\nSubject: {subject}\r\nDate: {date}\r\n\
             Message-ID: <{id}@{host}>\r\nAuto-Submitted: auto-generated\r\nContent-Language: {language}\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}"
        )
    }

    fn english(&self, mailbox: &MailboxConfig) -> (String, String) {
        let held = self.held(mailbox.quota, ["KB", "MB", "GB"], "messages", "of");
        let address = &mailbox.address;
        if self.percent >= 100 {
            let body = format!(
                "The mailbox {address} is full: it holds {held}.\r\n\r\n\
                 New mail for it is refused until there is room; senders are told to try again later.\r\n\
                 Delete messages that you no longer need and empty the trash, or ask for more room.\r\n"
            );
            return ("Your mailbox is full".to_owned(), body);
        }
        let body = format!(
            "The mailbox {address} is {} % full: it holds {held}.\r\n\r\n\
             When it is full, new mail for it is refused.\r\n\
             Delete messages that you no longer need and empty the trash, or ask for more room.\r\n",
            self.percent
        );
        (format!("Your mailbox is {} % full", self.percent), body)
    }

    fn french(&self, mailbox: &MailboxConfig) -> (String, String) {
        let held = self.held(mailbox.quota, ["Ko", "Mo", "Go"], "messages", "sur");
        let address = &mailbox.address;
        if self.percent >= 100 {
            let body = format!(
                "La boîte {address} est pleine : elle contient {held}.\r\n\r\n\
                 Les nouveaux messages sont refusés tant que la place manque ; leurs expéditeurs sont invités à réessayer.\r\n\
                 Supprimez les messages inutiles et videz la corbeille, ou demandez davantage de place.\r\n"
            );
            return ("Votre boîte de messagerie est pleine".to_owned(), body);
        }
        let body = format!(
            "La boîte {address} est remplie à {} % : elle contient {held}.\r\n\r\n\
             Une fois pleine, elle refusera les nouveaux messages.\r\n\
             Supprimez les messages inutiles et videz la corbeille, ou demandez davantage de place.\r\n",
            self.percent
        );
        (format!("Votre boîte est remplie à {} %", self.percent), body)
    }

    /// What is held of what may be.
    fn held(&self, quota: Quota, units: [&str; 3], messages: &str, of: &str) -> String {
        let bytes = quota.bytes.map(|max| format!("{} {of} {}", size(self.usage.bytes, units), size(max, units)));
        let counted = quota.messages.map(|max| format!("{} {of} {max} {messages}", self.usage.messages));
        bytes.into_iter().chain(counted).collect::<Vec<_>>().join(", ")
    }
}

impl Language {
    /// RFC 5646.
    fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }
}

/// A size for people.
fn size(octets: u64, [kilo, mega, giga]: [&str; 3]) -> String {
    match octets {
        0..1_000_000 => format!("{} {kilo}", octets.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} {mega}", octets.div_ceil(1_000_000)),
        _ => format!("{} {giga}", octets.div_ceil(1_000_000_000)),
    }
}
