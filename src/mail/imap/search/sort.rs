//! The order of SORT (RFC 5256 §3, RFC 5957): a row of numbers for each hit.
//!
//! Values come from rows and from the folder's columns, never from bodies; a text stands as its place in the order of
//! texts. Invariant: n log n in the hits, and equal hits stay in the order of their numbers.

use super::Hit;
use super::columns::{self, Columns, Group, Shared, blocking};
use crate::mail::imap::command::{SortCriterion, SortKey};
use crate::mail::imap::peer::Peer;
use crate::mail::imap::reply::Stop;
use crate::mail::imap::view::Selected;
use crate::store::{FolderState, Row};

/// The columns that a key needs.
fn group(key: SortKey) -> Option<Group> {
    match key {
        SortKey::Arrival | SortKey::Size => None,
        SortKey::Date => Some(Group::Sent),
        SortKey::Subject => Some(Group::Subjects),
        SortKey::From | SortKey::To | SortKey::Cc | SortKey::DisplayFrom | SortKey::DisplayTo => Some(Group::Addresses),
    }
}

/// Puts hits in order; they come in the order of their numbers.
pub(super) async fn sort(
    peer: &mut Peer,
    selected: &Selected,
    criteria: &[SortCriterion],
    found: Vec<Hit>,
) -> Result<Vec<Hit>, Stop> {
    let mut groups: Vec<Group> = Vec::new();
    for group in criteria.iter().filter_map(|by| group(by.key)) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let (columns, rows) = columns::of_hits(peer, selected, &found, &groups).await?;
    let criteria = criteria.to_vec();
    // Ordering a hundred thousand hits is no work for the threads that answer everybody.
    blocking(move || {
        let keys = keys(&criteria, &rows, &columns);
        ordered(criteria.len(), &keys, &found)
    })
    .await
}

/// For each hit one number a criterion.
fn keys(criteria: &[SortCriterion], rows: &[Row], columns: &Shared) -> Vec<i64> {
    let mut columns = columns.lock();
    let texts = criteria.iter().any(|by| matches!(group(by.key), Some(Group::Subjects | Group::Addresses)));
    let ranks = if texts { columns.ranks().to_vec() } else { Vec::new() };
    let mut keys = Vec::with_capacity(rows.len() * criteria.len());
    let mut at = vec![0; criteria.len()];
    for row in rows {
        for (by, at) in criteria.iter().zip(&mut at) {
            let key = value(by.key, row, &columns, &ranks, at);
            // The other way round, and nothing is lost at either end.
            keys.push(if by.reverse { !key } else { key });
        }
    }
    keys
}

fn value(key: SortKey, row: &Row, columns: &Columns, ranks: &[u32], at: &mut usize) -> i64 {
    let rank = |text: u32| ranks.get(text as usize).copied().unwrap_or(0).into();
    let mut address = |place: usize| rank(columns.addresses(row.uid, at).get(place).copied().unwrap_or(0));
    match key {
        SortKey::Size => row.size.into(),
        SortKey::Arrival => row.internal_date,
        SortKey::Date => columns.sent(row.uid, at).unwrap_or(row.internal_date),
        SortKey::Subject => rank(columns.subject(row.uid, at).key),
        SortKey::From => address(0),
        SortKey::To => address(1),
        SortKey::Cc => address(2),
        SortKey::DisplayFrom => address(3),
        SortKey::DisplayTo => address(4),
    }
}

fn ordered(criteria: usize, keys: &[i64], found: &[Hit]) -> Vec<Hit> {
    // Stable: RFC 5256 §3 has the sequence number as the last criterion, which REVERSE does not turn.
    if criteria == 1 {
        let mut order: Vec<(i64, Hit)> = keys.iter().copied().zip(found.iter().copied()).collect();
        order.sort_by_key(|(key, _)| *key);
        return order.into_iter().map(|(_, hit)| hit).collect();
    }
    let mut order: Vec<(&[i64], Hit)> = keys.chunks(criteria.max(1)).zip(found.iter().copied()).collect();
    order.sort_by_key(|(key, _)| *key);
    order.into_iter().map(|(_, hit)| hit).collect()
}

/// The rows of hits, in their order; every hit has one in the state that it was found in.
pub(super) fn rows_of(seen: &FolderState, hits: &[Hit]) -> Vec<Row> {
    let mut rows = Vec::with_capacity(hits.len());
    let mut walk = seen.rows_from(seen.len());
    for hit in hits {
        let row = walk.next().filter(|row| row.uid == hit.uid).or_else(|| {
            let place = seen.position(hit.uid).ok()?;
            walk = seen.rows_from(place);
            walk.next()
        });
        rows.extend(row);
    }
    rows
}
