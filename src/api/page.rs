//! Pages of lists: a cursor that says where the next one begins.

use super::problem::Problem;
use crate::control::lists::{Key, ListPage, Parts, Place};
use crate::control::{PageRequest, Paged};
use crate::model::bounds;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;

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

/// The page of a list that a query asks for, in the order that it names: one of the list's own, `-` before it from its end.
pub(super) fn list_page(
    cursor: Option<&str>,
    size: Option<usize>,
    sort: Option<&str>,
    parts: &'static Parts,
) -> Result<ListPage, Problem> {
    let Some(sort) = sort else { return Ok(page(cursor, size)?.into()) };
    let (name, descending) = sort.strip_prefix('-').map_or((sort, false), |name| (name, true));
    let Some(key) = parts.sorts.iter().find(|key| key.name == name) else {
        let names: Vec<&str> = parts.sorts.iter().map(|key| key.name).collect();
        let detail = format!("must be one of {}, `-` before it from the end", names.join(", "));
        return Err(Problem::field("sort", "invalid", detail));
    };
    let wrong = || Problem::field("cursor", "invalid", "is no cursor of this list in this order");
    let after = cursor.map(|text| sorted_place(text, sort, key.text).ok_or_else(wrong)).transpose()?;
    Ok(ListPage { sort: Some(key), descending, after, limit: limit(size)? })
}

/// A page of a list, with the cursor of the next one.
pub(super) fn page_of<T>(paged: Paged<T, Place>, page: &ListPage) -> PageOf<T> {
    let cursor_of = |place: Place| match page.sort {
        None => cursor(place.id),
        Some(sort) => {
            let key = match &place.key {
                Key::Number(number) => number.to_string(),
                Key::Text(text) => BASE64.encode(text),
            };
            format!("{}.{}{}.{key}", cursor(place.id), if page.descending { "-" } else { "" }, sort.name)
        }
    };
    PageOf { next_cursor: paged.next.map(cursor_of), items: paged.items }
}

/// The place that the cursor of a list in an order stands for; one of another order stands for none.
fn sorted_place(cursor: &str, sort: &str, text: bool) -> Option<Place> {
    let mut parts = cursor.split('.');
    let (id, order, key) = (parts.next()?, parts.next()?, parts.next()?);
    if cursor.len() > bounds::CURSOR_OCTETS || order != sort || parts.next().is_some() {
        return None;
    }
    let key = if text {
        let text = String::from_utf8(BASE64.decode(key).ok()?).ok()?;
        // No name or address has one, and PostgreSQL takes no NUL.
        if text.chars().any(char::is_control) {
            return None;
        }
        Key::Text(text)
    } else {
        Key::Number(key.parse().ok()?)
    };
    Some(Place { key, id: i64::from_str_radix(id, 16).ok()? })
}

/// The place that a cursor stands for.
pub(super) fn place(cursor: Option<&str>) -> Result<Option<i64>, Problem> {
    let wrong = || Problem::field("cursor", "invalid", "is no cursor of this list");
    cursor.map(|text| i64::from_str_radix(text, 16).map_err(|_| wrong())).transpose()
}

/// A number in a query that is not negative; what is none, or too large for a revision, is refused.
pub(super) fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let number: Option<i64> = serde::Deserialize::deserialize(deserializer)?;
    if number.is_some_and(i64::is_negative) {
        return Err(serde::de::Error::custom("must not be negative"));
    }
    Ok(number)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::lists::parts::MAILBOXES;

    fn asked(cursor: Option<&str>, sort: &str) -> Result<ListPage, Problem> {
        list_page(cursor, None, Some(sort), &MAILBOXES)
    }

    #[test]
    fn a_cursor_belongs_to_its_order() {
        for (sort, key) in [
            ("address", Key::Text("ä.b@example.org".into())),
            ("-address", Key::Text(String::new())),
            ("used_bytes", Key::Number(-1)),
            ("-created_at", Key::Number(i64::MAX)),
        ] {
            let page = asked(None, sort).unwrap();
            let place = Place { key, id: 42 };
            let next = page_of(Paged { items: vec![()], next: Some(place.clone()) }, &page).next_cursor.unwrap();
            assert_eq!(asked(Some(&next), sort).unwrap().after, Some(place));
            for other in
                ["address", "-address", "used_bytes", "-created_at", "id"].iter().filter(|other| **other != sort)
            {
                assert_eq!(asked(Some(&next), other).err().unwrap().errors[0].pointer, "cursor", "{next} as {other}");
            }
            assert!(list_page(Some(&next), None, None, &MAILBOXES).is_err());
        }
    }

    #[test]
    fn forged_cursors_are_refused() {
        let nul = format!("1.address.{}", BASE64.encode("a\0"));
        let long = format!("1.address.{}", "A".repeat(bounds::CURSOR_OCTETS));
        for forged in
            ["", "1", "1.address", "1.address.!", "x.address.YQ", "1.address.YQ.1", "1.address._w", &nul, &long]
        {
            assert!(asked(Some(forged), "address").is_err(), "{forged}");
        }
        assert!(asked(Some("1.used_bytes.99999999999999999999"), "used_bytes").is_err());
        assert!(asked(None, "password_hash").is_err() && asked(None, "--address").is_err());
    }
}
