//! The feed meets a log that is not as it should be: it reads everything anew and goes on.

use crate::bed::{Bed, client, pop3};
use facteur::control::protocols;
use facteur::db::Db;
use facteur::directory::{EndReason, SessionGuard};
use facteur::model::ids::MailboxId;
use facteur::model::{Protocol, ProtocolState, Revision};

async fn open(bed: &Bed, id: MailboxId, protocol: Protocol) -> SessionGuard {
    let config = bed.directory.mailbox(id).await.unwrap().unwrap();
    bed.directory.sessions().open(config, protocol, client(1), true).await.unwrap()
}

/// Switches POP3 off for everybody, `skipped` revisions that nobody will see, and then one whose row is as given.
async fn tamper(db: &Db, skipped: i64, touches: Option<&str>) -> Revision {
    let mut tx = db.write().await.unwrap();
    tx.execute("UPDATE mailboxes SET pop3 = 'disabled'", &[]).await.unwrap();
    let head = "UPDATE revision_head SET number = number + $1 RETURNING number";
    let number: i64 = tx.one(head, &[(skipped + 1).into()]).await.unwrap().unwrap().get(0).unwrap();
    if let Some(touches) = touches {
        let row = "INSERT INTO revisions (number, at, caller, action, object, path, touches) VALUES ($1, 0, 'x', 'x', 'x', '~', $2)";
        tx.execute(row, &[number.into(), touches.into()]).await.unwrap();
    }
    tx.commit().await.unwrap();
    Revision(number)
}

/// The mailbox that was read before is void, POP3 has ended and IMAP goes on; the log is followed further.
async fn holds_after(bed: Bed, skipped: i64, touches: Option<&str>) {
    bed.domain(&bed.operator, "feed.example").await;
    let mailbox = bed.mailbox(&bed.operator, "a@feed.example").await;
    let sessions = [open(&bed, mailbox.id, Protocol::Imap).await, open(&bed, mailbox.id, Protocol::Pop3).await];
    let revision = tamper(&bed.db, skipped, touches).await;
    bed.directory.wait_applied(revision).await;
    // What is missing comes before the row that shows it.
    let told = if skipped > 0 && touches.is_some() { Revision(revision.0 - 1) } else { revision };
    let effect = bed.directory.wait_applied(told).await;
    assert_eq!((effect.sessions_closed, effect.sessions_remaining), (1, 1));
    assert_eq!(sessions[0].ending(), None);
    assert_eq!(sessions[1].ending(), Some(EndReason::ProtocolDisabled));
    let now = bed.directory.mailbox(mailbox.id).await.unwrap().unwrap();
    assert!(!now.access(Protocol::Pop3).allowed, "what was read before is void");
    assert!(now.as_of >= revision);

    let patch = pop3(ProtocolState::Enabled);
    let (_, next) = protocols::patch_mailbox(&bed.control, &bed.operator, mailbox.id, patch, None).await.unwrap();
    assert_eq!(next.0, revision.0 + 1);
    assert!(bed.after(next, mailbox.id).await.access(Protocol::Pop3).allowed);
}

pub async fn an_unreadable_revision_touches_everything(bed: Bed) {
    holds_after(bed, 0, Some("[{\"mailbox\": 7")).await;
}

/// What a later version may write is as unreadable.
pub async fn a_revision_of_unknown_words_touches_everything(bed: Bed) {
    holds_after(bed, 0, Some("[{\"galaxy\": \"gal_1\"}]")).await;
}

/// This node slept for longer than history is kept.
pub async fn a_gap_of_history_is_noticed(bed: Bed) {
    holds_after(bed, 3, Some("[]")).await;
}

/// The same, and nothing came since.
pub async fn history_that_is_gone_to_its_end_is_noticed(bed: Bed) {
    holds_after(bed, 3, None).await;
}
