//! Lists with filters and an order: statements put together from constant parts.
//!
//! A resource says in [`Parts`] what its list can be filtered and sorted by; a [`Listing`] takes some of that. Values are
//! bound, never part of a text. It holds no rule. Invariant: a part that is not in its resource's [`Parts`] cannot be used,
//! and [`statements`] shows all of them, so that tests prepare each on both databases.

use super::{Arg, DbError, Result, Row, Tx};
use crate::model::bounds;
use std::fmt::Write as _;

/// A condition; each `?` is a value.
pub struct Filter {
    /// What it is called.
    pub name: &'static str,
    /// Its text.
    pub sql: &'static str,
    /// The joins that it needs.
    pub joins: &'static [&'static str],
}

/// A condition on the tables that are read in any case.
pub(super) const fn filter(name: &'static str, sql: &'static str) -> Filter {
    Filter { name, sql, joins: &[] }
}

/// What a list can be sorted by; rows that are equal in it are sorted by id.
pub struct SortKey {
    /// What callers call it; the first of a list is its order when none is named.
    pub name: &'static str,
    /// The column, never NULL.
    pub key: &'static str,
    /// The column of the id, on the table whose index gives the order.
    pub id: &'static str,
    /// Whether the column is text, ordered by octets.
    pub text: bool,
    /// The joins that it needs.
    pub joins: &'static [&'static str],
}

/// All that the list of a resource can be.
pub struct Parts {
    /// Of which resource.
    pub name: &'static str,
    /// What is read, without the sort key.
    pub columns: &'static str,
    /// From which tables, in any case.
    pub from: &'static str,
    /// Further tables, in the order in which they are joined.
    pub joins: &'static [&'static str],
    /// What it can be filtered by.
    pub filters: &'static [Filter],
    /// What it can be sorted by.
    pub sorts: &'static [SortKey],
}

/// The lists that there are.
pub static ALL: [&Parts; 6] = [
    &super::mailboxes::PARTS,
    &super::domains::PARTS,
    &super::aliases::PARTS,
    &super::tenants::PARTS,
    &super::users::PARTS,
    &super::keys::PARTS,
];

/// The value of a row that it is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A number.
    Number(i64),
    /// Text.
    Text(String),
}

impl From<Key> for Arg {
    fn from(key: Key) -> Self {
        match key {
            Key::Number(value) => value.into(),
            Key::Text(value) => value.into(),
        }
    }
}

/// The place of a row in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is sorted by.
    pub key: Key,
    /// Its id.
    pub id: i64,
}

/// Which part of a list, in which order.
#[derive(Clone)]
pub struct Slice {
    /// Which of the list's [`Parts::sorts`].
    pub sort: &'static SortKey,
    /// From its end.
    pub descending: bool,
    /// After which row.
    pub after: Option<Place>,
    /// How many rows at most.
    pub limit: usize,
}

impl Slice {
    /// The beginning of a list in its own order.
    pub fn first(parts: &'static Parts, limit: usize) -> Result<Self> {
        let sort = parts.sorts.first().ok_or_else(|| DbError::Damaged(format!("{} has no order", parts.name)))?;
        Ok(Self { sort, descending: false, after: None, limit })
    }
}

/// A list that is asked for.
pub struct Listing {
    parts: &'static Parts,
    slice: Slice,
    filters: Vec<&'static Filter>,
    args: Vec<Arg>,
}

impl Listing {
    /// Without filters yet.
    pub fn new(parts: &'static Parts, slice: Slice) -> Self {
        Self { parts, slice, filters: Vec::new(), args: Vec::new() }
    }

    /// Filters by one of the list's filters, with its values.
    ///
    /// # Errors
    /// The list has none of that name, or of so many values: a defect.
    pub fn by<const N: usize>(&mut self, name: &str, values: [Arg; N]) -> Result<()> {
        let found = self.parts.filters.iter().find(|filter| filter.name == name);
        let filter = found.filter(|filter| filter.sql.matches('?').count() == N);
        let filter =
            filter.ok_or_else(|| DbError::Damaged(format!("{} has no filter {name} of {N}", self.parts.name)))?;
        self.filters.push(filter);
        self.args.extend(values);
        Ok(())
    }

    /// The statement, its values in their order.
    fn statement(&self) -> (String, Vec<Arg>) {
        let Slice { sort, descending, after, limit } = &self.slice;
        let mut sql = format!("SELECT {}, {} FROM {}", self.parts.columns, sort.key, self.parts.from);
        let needed = |join: &&&str| {
            let wanted = |joins: &[&str]| joins.contains(*join);
            wanted(sort.joins) || self.filters.iter().any(|filter| wanted(filter.joins))
        };
        for join in self.parts.joins.iter().filter(needed) {
            sql.push(' ');
            sql.push_str(join);
        }
        let mut number = 0;
        let mut conditions: Vec<String> = self.filters.iter().map(|filter| marked(filter.sql, &mut number)).collect();
        let mut args = self.args.clone();
        let (beyond, direction) = if *descending { ("<", " DESC") } else { (">", "") };
        // An order by id alone has no ties.
        let by_id = sort.key == sort.id;
        if let Some(place) = after {
            if by_id {
                conditions.push(marked(&format!("{} {beyond} ?", sort.id), &mut number));
            } else {
                conditions.push(marked(&format!("({}, {}) {beyond} (?, ?)", sort.key, sort.id), &mut number));
                args.push(place.key.clone().into());
            }
            args.push(place.id.into());
        }
        if !conditions.is_empty() {
            sql.push_str(" WHERE ");
            sql.push_str(&conditions.join(" AND "));
        }
        let ties = if by_id { String::new() } else { format!(", {}{direction}", sort.id) };
        let _ = write!(sql, " ORDER BY {}{direction}{ties} LIMIT ${}", sort.key, number + 1);
        // One row more than the page: whether there is a next one.
        args.push(Arg::from((*limit).clamp(1, bounds::PAGE_ITEMS) as i64 + 1));
        (sql, args)
    }

    /// The rows, each with its place; one more than the page holds.
    ///
    /// # Errors
    /// The database failed.
    pub async fn rows<T>(
        &self,
        tx: &mut Tx,
        read: impl Fn(&Row) -> Result<T>,
        id: impl Fn(&T) -> i64,
    ) -> Result<Vec<(T, Place)>> {
        let (sql, args) = self.statement();
        let width = self.parts.columns.split(',').count();
        let with_place = |row: &Row| {
            let item = read(row)?;
            let key = if self.slice.sort.text { Key::Text(row.get(width)?) } else { Key::Number(row.get(width)?) };
            let place = Place { key, id: id(&item) };
            Ok((item, place))
        };
        tx.listed(sql, &args).await?.iter().map(with_place).collect()
    }
}

/// A condition with numbers for its `?`.
fn marked(sql: &str, number: &mut usize) -> String {
    let mut out = String::with_capacity(sql.len() + 8);
    for (at, part) in sql.split('?').enumerate() {
        if at > 0 {
            *number += 1;
            let _ = write!(out, "${number}");
        }
        out.push_str(part);
    }
    out
}

/// A statement of a list, and what it is for.
pub struct Example {
    /// The resource, its order and its filters.
    pub name: String,
    /// The text.
    pub sql: String,
}

/// Every part of every list in a statement: each filter alone and all of them together, under each order, both ways, at
/// the beginning and after a row.
pub fn statements() -> Vec<Example> {
    let mut all = Vec::new();
    for parts in ALL {
        let mut choices: Vec<Vec<&'static Filter>> = parts.filters.iter().map(|filter| vec![filter]).collect();
        choices.extend([Vec::new(), parts.filters.iter().collect()]);
        for sort in parts.sorts {
            let ways = [(false, false), (false, true), (true, false), (true, true)];
            for (filters, (descending, onward)) in choices.iter().flat_map(|some| ways.map(|way| (some, way))) {
                let after = onward.then_some(Place { key: Key::Number(0), id: 0 });
                let slice = Slice { sort, descending, after, limit: 1 };
                let listing = Listing { parts, slice, filters: filters.clone(), args: Vec::new() };
                let names: Vec<&str> = filters.iter().map(|filter| filter.name).collect();
                let name = format!("{} by {}, {}: {}", parts.name, sort.name, descending, names.join(" "));
                all.push(Example { name, sql: listing.statement().0 });
            }
        }
    }
    all
}

/// The end of the texts that begin with one: no character comes after it.
pub fn end_of(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}
