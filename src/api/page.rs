//! Pages of lists: a cursor that says where the next one begins.

use super::problem::Problem;
use crate::control::{PageRequest, Paged};
use crate::model::bounds;

/// A page of a list.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct PageOf<T> {
    /// The items.
    pub items: Vec<T>,
    /// Send it as `cursor` for the next page; `null` at the end.
    #[schema(example = "1a2b3c")]
    pub next_cursor: Option<String>,
}

impl<T> From<Paged<T>> for PageOf<T> {
    fn from(paged: Paged<T>) -> Self {
        Self { items: paged.items, next_cursor: paged.next.map(cursor) }
    }
}

/// The cursor of a place in a list.
pub(super) fn cursor(place: i64) -> String {
    format!("{place:x}")
}

/// The place that a cursor stands for.
pub(super) fn place(cursor: Option<&str>) -> Result<Option<i64>, Problem> {
    let wrong = || Problem::field("cursor", "invalid", "is no cursor of this list");
    cursor.map(|text| i64::from_str_radix(text, 16).map_err(|_| wrong())).transpose()
}

/// How many items a page has.
pub(super) fn limit(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(bounds::PAGE_ITEMS_DEFAULT) {
        n if (1..=bounds::PAGE_ITEMS).contains(&n) => Ok(n),
        _ => Err(Problem::field("limit", "out_of_range", format!("must be 1 to {}", bounds::PAGE_ITEMS))),
    }
}

/// The page that a query asks for.
pub(super) fn page(cursor: Option<&str>, size: Option<usize>) -> Result<PageRequest, Problem> {
    Ok(PageRequest { after: place(cursor)?.unwrap_or(0), limit: limit(size)? })
}
