//! What a POP3 session sees: INBOX as it was at login, minus what it has hidden.
//!
//! It reads and stores nothing. Invariant: numbers never move during a session
//! (RFC 1939 §5), and marks become deletions only in [`Maildrop::finish`].

use crate::model::access::OnDelete;
use crate::model::ids::MessageId;
use crate::model::{Pop3Policy, UidSet};
use crate::store::{Pop3Finish, Pop3Mark, Row};
use std::collections::HashMap;

/// One message of the maildrop.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its UID in INBOX.
    pub uid: u32,
    /// The stored message.
    pub message: MessageId,
    /// Octets.
    pub size: u32,
    deleted: bool,
    /// Retrieved now, for the first time.
    retrieved: bool,
    /// Retrieved by an earlier session.
    known: bool,
}

/// The snapshot.
#[derive(Debug)]
pub struct Maildrop {
    uid_validity: u32,
    entries: Vec<Entry>,
}

impl Maildrop {
    /// The rows of INBOX without those that an earlier session hid.
    pub fn new(uid_validity: u32, rows: impl Iterator<Item = Row>, marks: &[Pop3Mark]) -> Self {
        let marks: HashMap<u32, &Pop3Mark> = marks.iter().map(|mark| (mark.uid, mark)).collect();
        let entries = rows
            .filter(|row| !marks.get(&row.uid).is_some_and(|mark| mark.hidden))
            .map(|row| Entry {
                uid: row.uid,
                message: row.message,
                size: row.size,
                deleted: false,
                retrieved: false,
                known: marks.get(&row.uid).is_some_and(|mark| mark.retrieved_at.is_some()),
            })
            .collect();
        Self { uid_validity, entries }
    }

    /// A message by its number, counted from 1, unless it is marked deleted.
    pub fn get(&self, number: u32) -> Option<&Entry> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.entries.get(index).filter(|entry| !entry.deleted)
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut Entry> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.entries.get_mut(index).filter(|entry| !entry.deleted)
    }

    /// Messages with their numbers, without those marked deleted.
    pub fn listed(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (1u32..).zip(&self.entries).filter(|(_, entry)| !entry.deleted)
    }

    /// Messages and octets, without those marked deleted.
    pub fn stat(&self) -> (usize, u64) {
        self.listed().fold((0, 0), |(count, octets), (_, entry)| (count + 1, octets + u64::from(entry.size)))
    }

    /// The unique id, which lasts as long as the message is in INBOX (RFC 1939 §7).
    pub fn uidl(&self, entry: &Entry) -> String {
        format!("{}.{}", self.uid_validity, entry.uid)
    }

    /// Marks a message deleted; false when there is none of that number.
    pub fn delete(&mut self, number: u32) -> bool {
        self.get_mut(number).map(|entry| entry.deleted = true).is_some()
    }

    /// Notes that a message was sent to the client.
    pub fn retrieved(&mut self, number: u32) {
        if let Some(entry) = self.get_mut(number) {
            entry.retrieved = !entry.known;
        }
    }

    /// RSET: unmarks all; what was retrieved stays retrieved.
    pub fn reset(&mut self) {
        for entry in &mut self.entries {
            entry.deleted = false;
        }
    }

    /// What QUIT leaves behind, by the mailbox's policy.
    pub fn finish(&self, policy: Pop3Policy, now: i64) -> Pop3Finish {
        let deleted: UidSet = self.entries.iter().filter(|entry| entry.deleted).map(|entry| entry.uid).collect();
        let mut finish = self.abandon(now);
        match policy.on_delete {
            OnDelete::Delete => finish.delete = deleted,
            OnDelete::Trash => finish.trash = deleted,
            OnDelete::Keep => finish.hide = deleted,
        }
        finish
    }

    /// What a session without QUIT leaves behind: nothing is deleted (RFC 1939 §6), but what was
    /// retrieved has been.
    pub fn abandon(&self, now: i64) -> Pop3Finish {
        let retrieved = self.entries.iter().filter(|entry| entry.retrieved).map(|entry| entry.uid).collect();
        Pop3Finish { retrieved, now, ..Pop3Finish::default() }
    }
}

/// True when there is nothing to write.
pub fn is_nothing(finish: &Pop3Finish) -> bool {
    finish.retrieved.is_empty() && finish.hide.is_empty() && finish.delete.is_empty() && finish.trash.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flags;

    fn drop_of(count: u32, marks: &[Pop3Mark]) -> Maildrop {
        let row = |uid| Row {
            uid,
            message: MessageId(i64::from(uid)),
            flags: Flags::EMPTY,
            modseq: 1,
            size: 10 * uid,
            internal_date: 0,
            save_date: 0,
        };
        Maildrop::new(7, (1..=count).map(row), marks)
    }

    #[test]
    fn numbers_do_not_move() {
        let mut maildrop = drop_of(3, &[]);
        assert!(maildrop.delete(1) && !maildrop.delete(1) && !maildrop.delete(0) && !maildrop.delete(4));
        assert_eq!(maildrop.stat(), (2, 50));
        assert_eq!(maildrop.listed().map(|(number, _)| number).collect::<Vec<_>>(), [2, 3]);
        assert!(maildrop.get(1).is_none());
        maildrop.reset();
        assert_eq!(maildrop.stat(), (3, 60));
        assert_eq!(maildrop.uidl(maildrop.get(2).unwrap()), "7.2");
    }

    #[test]
    fn the_policy_decides_at_quit() {
        let policy = |on_delete| Pop3Policy { on_delete, expire_days: None };
        let mut maildrop = drop_of(3, &[]);
        maildrop.retrieved(2);
        maildrop.delete(3);
        let set = |finish: Pop3Finish| {
            [finish.retrieved, finish.delete, finish.trash, finish.hide].map(|set| set.to_string())
        };
        assert_eq!(set(maildrop.finish(policy(OnDelete::Delete), 1)), ["2", "3", "", ""]);
        assert_eq!(set(maildrop.finish(policy(OnDelete::Trash), 1)), ["2", "", "3", ""]);
        assert_eq!(set(maildrop.finish(policy(OnDelete::Keep), 1)), ["2", "", "", "3"]);
        assert_eq!(set(maildrop.abandon(1)), ["2", "", "", ""]);
        maildrop.reset();
        assert_eq!(set(maildrop.finish(policy(OnDelete::Delete), 1)), ["2", "", "", ""]);
    }

    #[test]
    fn what_is_hidden_is_not_seen_and_first_retrievals_count_once() {
        let marks = [
            Pop3Mark { uid: 1, retrieved_at: None, hidden: true },
            Pop3Mark { uid: 2, retrieved_at: Some(5), hidden: false },
        ];
        let mut maildrop = drop_of(2, &marks);
        assert_eq!(maildrop.stat(), (1, 20));
        maildrop.retrieved(1);
        assert!(is_nothing(&maildrop.abandon(9)));
    }
}
