//! `facteur store check`: each kind of damage is put into a store of its own, and must be named, and nothing else.

use crate::bed::{Bed, NO_QUOTA, delivery, mailbox, noise, set};
use facteur::model::Flags;
use facteur::store::check::{Damage, Finding, Report};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

/// Later than any file of a test.
const AFTER_ALL: Duration = Duration::from_secs(9_000_000_000);

/// What a store holds that has lived a little: copies, expunges, a shared body, a file, a snapshot.
async fn live(bed: &Bed) {
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    let sent = bed.folder(mailbox(1), "Sent").await.id;
    for seed in 1..=3 {
        bed.append(mailbox(1), inbox, &noise(seed, 500)).await.unwrap();
    }
    bed.append(mailbox(1), inbox, &noise(4, 300_000)).await.unwrap();
    bed.append_flagged(mailbox(1), inbox, b"goes", Flags::DELETED, &["$Gone"]).await.unwrap();
    bed.store.expunge(mailbox(1), inbox, set(&[(1, 9)])).await.unwrap();
    bed.store.copy(mailbox(1), NO_QUOTA, inbox, set(&[(1, 1)]), sent).await.unwrap();
    let body = bed.stage(b"Subject: shared\r\n\r\n").await;
    bed.store.deliver(body, vec![delivery(1, NO_QUOTA), delivery(2, NO_QUOTA)]).await.unwrap();
    let archive = bed.folder(mailbox(2), "Archive").await.id;
    while bed.number("SELECT COUNT(*) FROM folder_snapshots").await == 0 {
        bed.fill(mailbox(2), archive, 3000).await;
    }
    bed.append(mailbox(2), archive, b"after the snapshot").await.unwrap();
}

async fn check(bed: &Bed, repair: bool) -> Report {
    bed.inspector(SystemTime::UNIX_EPOCH + AFTER_ALL).await.check(repair, &mut |_| ()).await.unwrap()
}

fn kinds(report: &Report) -> Vec<Damage> {
    let kinds: BTreeSet<Damage> = report.findings.iter().map(|finding| finding.damage).collect();
    kinds.into_iter().collect()
}

/// Puts each kind of damage into a store of its own.
async fn each(bed: &Bed, damages: &[(Damage, &[&'static str])]) {
    for (damage, statements) in damages {
        let bed = bed.fresh().await;
        live(&bed).await;
        for sql in *statements {
            bed.tamper(sql).await;
        }
        let report = check(&bed, false).await;
        assert_eq!(kinds(&report), [*damage], "{statements:?}: {:#?}", report.findings);
        assert_eq!(report.findings.len(), 1, "{statements:?}: {:#?}", report.findings);
        assert!(!report.findings[0].repaired);
    }
}

pub async fn a_sound_store_has_no_finding(mut bed: Bed) {
    assert_eq!(check(&bed, false).await.findings, []);
    live(&bed).await;
    let report = check(&bed, false).await;
    assert_eq!(report.findings, []);
    assert_eq!((report.mailboxes, report.folders), (2, 12));
    assert!(report.messages > 3000 && report.bodies == 7, "{report:?}");
    bed.reopen().await;
    assert_eq!(check(&bed, true).await.findings, []);
}

pub async fn damage_of_folders_is_named_and_nothing_else(bed: Bed) {
    each(&bed, &[
        (Damage::HeadUnreadable, &["UPDATE folders SET messages = -7 WHERE mailbox_id = 1 AND name = 'INBOX'"]),
        (Damage::HeadCounter, &["UPDATE folders SET unseen = unseen + 1 WHERE mailbox_id = 1 AND name = 'INBOX'"]),
        (Damage::HeadCounter, &["UPDATE folders SET ops_bytes = ops_bytes + 1 WHERE mailbox_id = 1 AND name = 'Sent'"]),
        (Damage::UidNext, &["UPDATE folders SET uid_next = uid_next - 1 WHERE mailbox_id = 1 AND name = 'INBOX'"]),
        (Damage::Modseq, &["UPDATE folders SET highest_modseq = highest_modseq - 1 WHERE mailbox_id = 1 AND name = 'INBOX'"]),
        (Damage::LogGap, &["UPDATE folders SET highest_modseq = highest_modseq + 1 WHERE mailbox_id = 1 AND name = 'INBOX'"]),
        (Damage::LogGap, &["DELETE FROM folder_ops WHERE modseq = 3 AND folder_id = \
            (SELECT id FROM folders WHERE mailbox_id = 1 AND name = 'INBOX')"]),
        (Damage::LogRecord, &["UPDATE folder_ops SET op = (SELECT data FROM body_octets ORDER BY body_id LIMIT 1) \
            WHERE modseq = 3 AND folder_id = (SELECT id FROM folders WHERE mailbox_id = 1 AND name = 'INBOX')"]),
        (Damage::UidOrder, &["UPDATE folder_ops SET op = (SELECT o.op FROM folder_ops o WHERE o.modseq = 2 \
            AND o.folder_id = folder_ops.folder_id) WHERE modseq = 3 AND folder_id = \
            (SELECT id FROM folders WHERE mailbox_id = 1 AND name = 'INBOX')"]),
        (Damage::Snapshot, &["UPDATE folder_snapshots SET data = (SELECT data FROM body_octets ORDER BY body_id LIMIT 1)"]),
        (Damage::Snapshot, &["UPDATE folder_snapshots SET modseq = modseq + 1"]),
        (Damage::OrphanLog, &["INSERT INTO folder_snapshots (folder_id, modseq, data) SELECT 999, modseq, data FROM folder_snapshots"]),
        (Damage::Usage, &["UPDATE usage SET bytes = bytes + 1 WHERE mailbox_id = 1"]),
        (Damage::Usage, &["UPDATE usage SET messages = -1 WHERE mailbox_id = 2"]),
        (Damage::Usage, &["DELETE FROM usage WHERE mailbox_id = 1"]),
        (Damage::NextNumber, &["UPDATE counters SET value = 1 WHERE name = 'message'"]),
    ])
    .await;
}

pub async fn damage_of_messages_and_bodies_is_named_and_nothing_else(bed: Bed) {
    each(&bed, &[
        (Damage::MessageMissing, &["UPDATE messages SET mailbox_id = 77 WHERE id = (SELECT MIN(id) FROM messages)"]),
        (Damage::MessageMissing, &["DELETE FROM messages WHERE id = (SELECT MIN(id) + 1 FROM messages)",
            "DELETE FROM bodies WHERE id = (SELECT MIN(id) + 1 FROM bodies)",
            "DELETE FROM body_octets WHERE body_id = (SELECT MIN(body_id) + 1 FROM body_octets)"]),
        (Damage::MessageSize, &["UPDATE messages SET size = size + 1 WHERE id = (SELECT MIN(id) FROM messages)"]),
        (Damage::MessageReferences, &["UPDATE extra_refs SET n = n + 1"]),
        (Damage::MessageReferences, &["DELETE FROM extra_refs"]),
        (Damage::OrphanMessage, &["INSERT INTO messages (id, mailbox_id, body_id, size, prefix) \
            SELECT 4000, mailbox_id, body_id, size, prefix FROM messages WHERE id = (SELECT MIN(id) FROM messages)",
            "UPDATE bodies SET refs = refs + 1 WHERE id = (SELECT MIN(id) FROM bodies)",
            "UPDATE counters SET value = value + 4000 WHERE name = 'message'"]),
        (Damage::BodyMissing, &["DELETE FROM bodies WHERE id = (SELECT MIN(id) FROM bodies)",
            "DELETE FROM body_octets WHERE body_id = (SELECT MIN(body_id) FROM body_octets)"]),
        (Damage::BodyReferences, &["UPDATE bodies SET refs = refs + 1 WHERE id = (SELECT MIN(id) FROM bodies)"]),
        (Damage::BodyReferences, &["UPDATE bodies SET refs = 0 WHERE id = (SELECT MIN(id) FROM bodies)"]),
        (Damage::OrphanBody, &["INSERT INTO bodies (id, tenant_id, hash_key, hash, size, refs, encoding, checksum, file, summary) \
            SELECT 900, tenant_id, hash_key, hash, size, 0, encoding, checksum, file, summary FROM bodies WHERE id = (SELECT MIN(id) FROM bodies)",
            "INSERT INTO body_octets (body_id, data) SELECT 900, data FROM body_octets WHERE body_id = (SELECT MIN(body_id) FROM body_octets)"]),
        (Damage::BodyOctets, &["UPDATE body_octets SET data = (SELECT data FROM body_octets ORDER BY body_id DESC LIMIT 1) \
            WHERE body_id = (SELECT MIN(body_id) FROM body_octets)"]),
        (Damage::BodyOctets, &["DELETE FROM body_octets WHERE body_id = (SELECT MIN(body_id) FROM body_octets)"]),
        (Damage::BodyOctets, &["UPDATE bodies SET hash = (SELECT hash FROM bodies ORDER BY id DESC LIMIT 1) \
            WHERE id = (SELECT MIN(id) FROM bodies)"]),
        (Damage::Summary, &["UPDATE bodies SET summary = hash WHERE id = (SELECT MIN(id) FROM bodies)"]),
        (Damage::OrphanOctets, &["INSERT INTO body_octets (body_id, data) SELECT 901, data FROM body_octets \
            WHERE body_id = (SELECT MIN(body_id) FROM body_octets)"]),
    ])
    .await;
}

pub async fn damage_of_files_is_named_and_nothing_else(bed: Bed) {
    live(&bed).await;
    let stray = bed.dir.join("bodies/00/00000000000000000000000000000000");
    std::fs::write(&stray, b"nobody's").unwrap();
    assert_eq!(kinds(&check(&bed, true).await), [Damage::OrphanFile]);
    // What is young may wait for its commit.
    let report = bed.inspector(SystemTime::UNIX_EPOCH).await.check(false, &mut |_| ()).await;
    assert_eq!(report.unwrap().findings, []);
    std::fs::remove_file(stray).unwrap();
    let shelves = std::fs::read_dir(bed.dir.join("bodies")).unwrap();
    let file = shelves.flat_map(|shelf| std::fs::read_dir(shelf.unwrap().path()).unwrap()).next().unwrap().unwrap();
    let mut octets = std::fs::read(file.path()).unwrap();
    octets[200_000] ^= 1;
    std::fs::write(file.path(), &octets).unwrap();
    let report = check(&bed, true).await;
    assert_eq!((kinds(&report), report.findings.len()), (vec![Damage::BodyOctets], 1));
    std::fs::remove_file(file.path()).unwrap();
    assert_eq!(kinds(&check(&bed, true).await), [Damage::BodyOctets]);
}

pub async fn counters_are_mended_and_nothing_else(bed: Bed) {
    live(&bed).await;
    let body = bed.number("SELECT MIN(id) FROM bodies").await;
    let usage = bed.store.usage(mailbox(1).id).await.unwrap();
    for sql in [
        "UPDATE folders SET messages = -7 WHERE mailbox_id = 1 AND name = 'INBOX'",
        "UPDATE folders SET unseen = 9 WHERE mailbox_id = 2 AND name = 'INBOX'",
        "UPDATE usage SET bytes = -5 WHERE mailbox_id = 1",
        "DELETE FROM usage WHERE mailbox_id = 2",
        "DELETE FROM extra_refs",
        "UPDATE bodies SET refs = refs + 7 WHERE id = (SELECT MIN(id) FROM bodies)",
        "UPDATE bodies SET summary = hash WHERE id = (SELECT MIN(id) FROM bodies)",
    ] {
        bed.tamper(sql).await;
    }
    let report = check(&bed, true).await;
    let left: Vec<&Finding> = report.findings.iter().filter(|finding| !finding.repaired).collect();
    assert_eq!((report.findings.len(), left.len()), (7, 1), "{:#?}", report.findings);
    assert_eq!(left[0].damage, Damage::Summary);
    assert_eq!(kinds(&check(&bed, false).await), [Damage::Summary]);
    assert_eq!(bed.store.usage(mailbox(1).id).await.unwrap(), usage);
    assert_eq!(body, bed.number("SELECT MIN(id) FROM bodies").await);
    // The server that runs beside goes on with what is right now.
    let inbox = bed.folder(mailbox(1), "INBOX").await;
    assert!(!inbox.damaged);
    bed.append(mailbox(1), inbox.id, b"goes on").await.unwrap();
    bed.store.delete_mailbox(mailbox(1).id).await.unwrap();
    bed.store.delete_mailbox(mailbox(2).id).await.unwrap();
    assert_eq!(bed.number("SELECT COUNT(*) FROM bodies").await, 0);
    assert_eq!(check(&bed, false).await.findings, []);
}

pub async fn what_is_written_meanwhile_is_no_finding(bed: Bed) {
    live(&bed).await;
    let inbox = bed.folder(mailbox(1), "INBOX").await.id;
    let done = std::sync::atomic::AtomicBool::new(false);
    let writes = async {
        let mut number = 0;
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            number += 1;
            let body = bed.stage(&noise(1000 + number % 7, 200)).await;
            bed.store.deliver(body, vec![delivery(1, NO_QUOTA), delivery(3, NO_QUOTA)]).await.unwrap();
            bed.append_flagged(mailbox(1), inbox, &noise(number, 100_000), Flags::DELETED, &[]).await.unwrap();
            bed.store.expunge(mailbox(1), inbox, set(&[(6, u32::MAX)])).await.unwrap();
        }
        number
    };
    let checks = async {
        // A file that was just written may wait for its commit, so only old ones are judged.
        for repair in [false, true, false] {
            let report = bed.inspector(SystemTime::UNIX_EPOCH).await.check(repair, &mut |_| ()).await.unwrap();
            assert_eq!(report.findings, []);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (written, ()) = tokio::join!(writes, checks);
    assert!(written > 0);
    assert_eq!(check(&bed, false).await.findings, []);
}
