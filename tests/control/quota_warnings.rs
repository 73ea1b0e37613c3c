//! Quota warnings: once a share, on one node of many, as a revision that says what was seen.

use crate::bed::Bed;
use facteur::control::quota_warnings::{self, Seen};
use facteur::control::{mailboxes, revisions};
use facteur::model::{Quota, Usage};
use futures_util::future::join_all;

const SHARES: &[u8] = &[80, 90, 100];

fn seen(bytes: u64, refused: bool) -> Seen {
    let (usage, quota) = (Usage { bytes, messages: 1 }, Quota { bytes: Some(1000), messages: None });
    Seen { usage, quota, refused }
}

pub async fn a_mailbox_is_warned_once_a_share(bed: Bed) {
    bed.domain(&bed.operator, "full.example").await;
    let id = bed.mailbox(&bed.operator, "a@full.example").await.id;
    let warnings = async || {
        let object = id.to_string();
        let (all, _) = revisions::list(&bed.control, &bed.operator, Some(&object), None, 100).await.unwrap();
        all.into_iter().filter(|one| one.action == "mailbox_quota_warning").count()
    };
    let look =
        async |bytes, refused| quota_warnings::look(&bed.control, SHARES, id, seen(bytes, refused)).await.unwrap();
    for (bytes, refused, warned) in [
        (500, false, None),
        (800, false, Some(80)),
        (850, false, None),
        (950, false, Some(90)),
        (950, true, Some(100)),
        (960, true, None),
        (100, false, None),
        (1000, false, Some(100)),
    ] {
        assert_eq!(look(bytes, refused).await, warned, "{bytes} {refused}");
    }
    assert_eq!(warnings().await, 4);
    assert_eq!(look(0, false).await, None);
    // Of nodes that see the same at once, one warns.
    let other = bed.second_node().await;
    let looks = (0..6).map(|n| {
        let control = if n % 2 == 0 { &bed.control } else { &other.control };
        quota_warnings::look(control, SHARES, id, seen(910, false))
    });
    let warned = join_all(looks).await.into_iter().filter(|warned| *warned.as_ref().unwrap() == Some(90)).count();
    assert_eq!((warned, warnings().await), (1, 5));
    mailboxes::delete(&bed.control, &bed.operator, id, None).await.unwrap();
    assert_eq!(look(1000, false).await, None, "a mailbox that is gone is not warned");
}
