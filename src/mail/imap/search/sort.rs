//! The order of SORT (RFC 5256 §3, RFC 5957): one column of values for each criterion.
//!
//! Values come from rows and from ready ENVELOPEs, never from bodies. Invariant: n log n in the
//! hits, and equal hits stay in the order of their numbers.

use super::Hit;
use crate::mail::imap::command::{SortCriterion, SortKey};
use crate::mail::imap::peer::Peer;
use crate::mail::imap::reply::Stop;
use crate::mail::imap::summaries;
use crate::mail::imap::view::Selected;
use crate::mime::{AddressView, EnvelopeView, SummaryView, base_subject, casemap, decoded, sent_at};
use crate::model::bounds;
use crate::store::Row;
use std::cmp::Ordering;

/// The values of all hits for one criterion.
enum Column {
    Numbers(Vec<i64>),
    /// Keys of `i;unicode-casemap` (RFC 5256 §3: texts are compared so).
    Texts(Vec<Box<str>>),
}

impl Column {
    fn new(key: SortKey) -> Self {
        match key {
            SortKey::Arrival | SortKey::Date | SortKey::Size => Self::Numbers(Vec::new()),
            _ => Self::Texts(Vec::new()),
        }
    }

    fn push(&mut self, key: SortKey, row: &Row, envelope: &EnvelopeView<'_>) {
        match self {
            Self::Numbers(values) => values.push(number(key, row, envelope)),
            Self::Texts(values) => values.push(text(key, envelope).into()),
        }
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        match self {
            Self::Numbers(values) => values.get(a).cmp(&values.get(b)),
            Self::Texts(values) => values.get(a).cmp(&values.get(b)),
        }
    }
}

fn number(key: SortKey, row: &Row, envelope: &EnvelopeView<'_>) -> i64 {
    match key {
        SortKey::Size => row.size.into(),
        SortKey::Date => sent_date(row, envelope),
        _ => row.internal_date,
    }
}

/// RFC 5256 §2.2: the sent date in UTC; INTERNALDATE where there is none.
pub(super) fn sent_date(row: &Row, envelope: &EnvelopeView<'_>) -> i64 {
    envelope.date.as_deref().and_then(sent_at).unwrap_or(row.internal_date)
}

fn text(key: SortKey, envelope: &EnvelopeView<'_>) -> String {
    match key {
        SortKey::Subject => casemap(&base_subject(envelope.subject.as_deref().unwrap_or_default()).text),
        SortKey::From => local_part(envelope.from()),
        SortKey::To => local_part(envelope.to()),
        SortKey::Cc => local_part(envelope.cc()),
        SortKey::DisplayFrom => display(envelope.from()),
        SortKey::DisplayTo => display(envelope.to()),
        SortKey::Arrival | SortKey::Date | SortKey::Size => String::new(),
    }
}

fn local_part(address: Option<AddressView<'_>>) -> String {
    let mailbox = address.and_then(|address| address.mailbox).unwrap_or_default();
    casemap(&String::from_utf8_lossy(&mailbox))
}

/// RFC 5957 §3: the display name, decoded, else the address; a group goes by its name.
fn display(address: Option<AddressView<'_>>) -> String {
    let Some(address) = address else { return String::new() };
    let name = address.name.map(|name| decoded(&name)).filter(|name| !name.is_empty());
    let mailbox = || {
        let mailbox = address.mailbox.as_deref().unwrap_or_default();
        match &address.host {
            Some(host) => format!("{}@{}", String::from_utf8_lossy(mailbox), String::from_utf8_lossy(host)),
            None => decoded(mailbox),
        }
    };
    casemap(&name.unwrap_or_else(mailbox))
}

/// Puts hits in order; they come in the order of their numbers.
pub(super) async fn sort(
    peer: &mut Peer,
    selected: &Selected,
    criteria: &[SortCriterion],
    found: Vec<Hit>,
) -> Result<Vec<Hit>, Stop> {
    let mut columns: Vec<Column> = criteria.iter().map(|criterion| Column::new(criterion.key)).collect();
    let from_rows = criteria.iter().all(|by| matches!(by.key, SortKey::Arrival | SortKey::Size));
    let mut push = |row: &Row, envelope: &EnvelopeView<'_>| {
        for (column, criterion) in columns.iter_mut().zip(criteria) {
            column.push(criterion.key, row, envelope);
        }
    };
    for batch in found.chunks(bounds::READ_BATCH) {
        if from_rows {
            rows(selected, batch).iter().for_each(|row| push(row, &EnvelopeView::default()));
        } else {
            with_envelopes(peer, selected, batch, |row, envelope, _| push(row, envelope)).await?;
        }
    }
    let criteria = criteria.to_vec();
    // Comparing a hundred thousand texts is no work for the threads that answer everybody.
    let ordered = tokio::task::spawn_blocking(move || ordered(&criteria, &columns, &found)).await;
    ordered.map_err(|_| Stop::Bye("The order could not be made"))
}

fn ordered(criteria: &[SortCriterion], columns: &[Column], found: &[Hit]) -> Vec<Hit> {
    let mut order: Vec<usize> = (0..found.len()).collect();
    // Stable: RFC 5256 §3 has the sequence number as the last criterion, which REVERSE does not turn.
    order.sort_by(|a, b| {
        criteria
            .iter()
            .zip(columns)
            .map(|(by, column)| if by.reverse { column.compare(*b, *a) } else { column.compare(*a, *b) })
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    order.into_iter().filter_map(|index| found.get(index).copied()).collect()
}

/// The rows of hits, in their order.
pub(super) fn rows(selected: &Selected, hits: &[Hit]) -> Vec<Row> {
    let seen = &selected.view.seen;
    hits.iter().filter_map(|hit| seen.position(hit.uid).ok().and_then(|position| seen.row(position))).collect()
}

/// Hands every hit's row, ENVELOPE and References to `take`; a message that is gone has empty ones.
pub(super) async fn with_envelopes(
    peer: &mut Peer,
    selected: &Selected,
    hits: &[Hit],
    mut take: impl FnMut(&Row, &EnvelopeView<'_>, Option<&SummaryView<'_>>),
) -> Result<(), Stop> {
    let rows = rows(selected, hits);
    let ids: Vec<_> = rows.iter().map(|row| row.message).collect();
    for (row, stored) in rows.iter().zip(summaries::stored(peer, &ids).await?) {
        let view = stored.as_ref().and_then(|stored| SummaryView::new(&stored.summary));
        let envelope = view.as_ref().and_then(|view| EnvelopeView::new(view.envelope())).unwrap_or_default();
        take(row, &envelope, view.as_ref());
    }
    // A sort of a large folder must not outlive the switch that ends the session.
    peer.conn.flush().await?;
    Ok(())
}
