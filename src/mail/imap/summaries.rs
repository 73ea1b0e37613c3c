//! The ready summaries of messages, for FETCH, SORT and THREAD alike.
//!
//! Invariant: what is returned is of today's form, made again from the message where it was not.

use super::peer::Peer;
use crate::mime::{Summarizer, SummaryView};
use crate::model::ids::MessageId;
use crate::store::{StoreError, StoredMessage};

/// What is stored beside each message, in the order asked for; ask for `bounds::READ_BATCH` at most.
pub(super) async fn stored(peer: &Peer, ids: &[MessageId]) -> Result<Vec<Option<StoredMessage>>, StoreError> {
    let mut all = peer.store().messages(ids).await?;
    for stored in all.iter_mut().flatten() {
        if !SummaryView::is_current(&stored.summary) {
            remake(peer, stored).await;
        }
    }
    Ok(all)
}

/// Makes a summary again that is damaged or of an older form; one that cannot be made is told later.
async fn remake(peer: &Peer, stored: &mut StoredMessage) {
    let Ok(mut reader) = peer.store().read(stored.id).await else { return };
    let (mut summarizer, mut prefix) = (Summarizer::default(), stored.prefix.len());
    loop {
        match reader.next().await {
            Ok(Some(chunk)) => {
                // Offsets count from the body's start, behind the recipient's own fields.
                let skipped = prefix.min(chunk.len());
                prefix -= skipped;
                summarizer.push(chunk.get(skipped..).unwrap_or_default());
            }
            Ok(None) => break,
            Err(_) => return,
        }
    }
    stored.summary = summarizer.finish();
}
