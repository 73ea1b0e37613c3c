//! INPROGRESS: a sign of life from a command that takes long (RFC 9585).
//!
//! Invariant: no sign before [`bounds::PROGRESS_TIME`] has passed since the command began, or since the last one.

use super::encode;
use super::peer::Peer;
use crate::mail::conn::Interrupt;
use crate::model::bounds;
use tokio::time::Instant;

/// How far the command that is being answered has come.
pub(super) struct Progress {
    tag: String,
    next: Instant,
    done: usize,
    /// Of how many; 0 when nobody knows.
    goal: usize,
}

impl Progress {
    /// A command begins.
    pub(super) fn new(tag: &str) -> Self {
        Self { tag: tag.to_owned(), next: Instant::now() + bounds::PROGRESS_TIME, done: 0, goal: 0 }
    }

    /// Whether a sign is due, and if so, not again before its time.
    fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + bounds::PROGRESS_TIME;
        }
        due
    }

    /// `* OK [INPROGRESS ("tag" 454 1000)] Still at work` (RFC 9585 §5).
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"* OK [INPROGRESS (");
        if self.tag.contains(']') {
            // It would end the response code.
            out.extend_from_slice(b"NIL");
        } else {
            encode::quoted(out, self.tag.as_bytes());
        }
        out.push(b' ');
        encode::number(out, self.done.min(self.goal) as u64);
        out.push(b' ');
        if self.goal == 0 {
            out.extend_from_slice(b"NIL");
        } else {
            encode::number(out, self.goal as u64);
        }
        out.extend_from_slice(b")] Still at work\r\n");
    }
}

impl Peer {
    /// So many messages are to be looked at.
    pub(super) fn work_ahead(&mut self, messages: usize) {
        (self.progress.done, self.progress.goal) = (0, messages);
    }

    /// Some of them have been; tells it when it is time, and sends what is queued. A command of a large folder must not
    /// outlive the switch that ends the session.
    pub(super) async fn work_done(&mut self, messages: usize) -> Result<(), Interrupt> {
        self.progress.done += messages;
        if self.progress.is_due(Instant::now()) {
            self.progress.write(self.conn.out());
        }
        self.conn.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_life_come_at_their_times() {
        let mut progress = Progress::new("a1");
        let began = progress.next - bounds::PROGRESS_TIME;
        assert!(!progress.is_due(began) && !progress.is_due(progress.next - std::time::Duration::from_millis(1)));
        let first = progress.next;
        assert!(progress.is_due(first) && !progress.is_due(first) && progress.is_due(first + bounds::PROGRESS_TIME));
    }

    #[test]
    fn a_sign_says_how_far() {
        let line = |tag: &str, done, goal| {
            let mut out = Vec::new();
            Progress { done, goal, ..Progress::new(tag) }.write(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(line("a1", 454, 1000), "* OK [INPROGRESS (\"a1\" 454 1000)] Still at work\r\n");
        assert_eq!(line("a]", 0, 0), "* OK [INPROGRESS (NIL 0 NIL)] Still at work\r\n");
    }
}
