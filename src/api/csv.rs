//! `Accept: text/csv`: a whole list as one document (RFC 4180), page by page as the reader takes it.
//!
//! It knows no resource. Invariant: one page is in memory, however long the list is.

use super::problem::Problem;
use crate::control::Paged;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use csv_core::{WriteResult, Writer};
use futures_util::stream;
use std::future::Future;

/// Whether a caller asks for CSV and not for JSON (RFC 9110 §12.5.1, without weights: who names CSV wants it).
pub(super) fn wants_csv(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let media = |one: &str| one.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/csv");
    lists.flat_map(|list| list.split(',')).any(media)
}

/// A page as text, and where the next one begins.
pub(super) struct CsvPage<N> {
    text: Vec<u8>,
    next: Option<N>,
}

impl<N: Clone> CsvPage<N> {
    /// Of the items of a page.
    pub fn of<T>(page: &Paged<T, N>, row: impl Fn(&T) -> Vec<String>) -> Result<Self, Problem> {
        let mut text = Vec::new();
        for item in &page.items {
            record(&mut text, row(item).iter().map(String::as_str));
        }
        Ok(Self { text, next: page.next.clone() })
    }
}

/// The answer: heading, then page after page. A list that cannot be read on ends the connection, not the document.
pub(super) async fn answer<N, F, P>(columns: &[&str], after: Option<N>, pages: F) -> Result<Response, Problem>
where
    N: Send + 'static,
    F: Fn(Option<N>) -> P + Send + 'static,
    P: Future<Output = Result<CsvPage<N>, Problem>> + Send,
{
    let mut first = pages(after).await?;
    let mut text = Vec::new();
    record(&mut text, columns.iter().copied());
    text.append(&mut first.text);
    let rest = stream::unfold((first.next, pages), |(next, pages)| async move {
        let page = match pages(Some(next?)).await {
            Ok(page) => page,
            Err(problem) => {
                return Some((Err(std::io::Error::other(problem.detail)), (None, pages)));
            }
        };
        Some((Ok(Bytes::from(page.text)), (page.next, pages)))
    });
    let first = stream::once(async move { Ok::<_, std::io::Error>(Bytes::from(text)) });
    let body = Body::from_stream(futures_util::StreamExt::chain(first, rest));
    // RFC 4180 §3.
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present")], body).into_response())
}

/// Appends a record.
fn record<'a>(text: &mut Vec<u8>, fields: impl Iterator<Item = &'a str>) {
    // RFC 4180 §2: lines end in CRLF.
    let mut writer = csv_core::WriterBuilder::new().terminator(csv_core::Terminator::CRLF).build();
    for (at, field) in fields.enumerate() {
        if at > 0 {
            write(text, |out| {
                let (result, wrote) = writer.delimiter(out);
                (result, 0, wrote)
            });
        }
        whole_field(text, &mut writer, field.as_bytes());
    }
    write(text, |out| {
        let (result, wrote) = writer.terminator(out);
        (result, 0, wrote)
    });
}

fn whole_field(text: &mut Vec<u8>, writer: &mut Writer, field: &[u8]) {
    let mut at = 0;
    write(text, |out| {
        let (result, read, wrote) = writer.field(field.get(at..).unwrap_or_default(), out);
        at += read;
        (result, read, wrote)
    });
}

/// Writes piece by piece until all of it is there.
fn write(text: &mut Vec<u8>, mut step: impl FnMut(&mut [u8]) -> (WriteResult, usize, usize)) {
    let mut out = [0; 256];
    loop {
        let (result, _, wrote) = step(&mut out);
        text.extend_from_slice(out.get(..wrote).unwrap_or_default());
        if result == WriteResult::InputEmpty {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut text = Vec::new();
        let long = "x".repeat(1000);
        record(&mut text, ["a", "b, \"c\"", "", "d\ne", &long].into_iter());
        record(&mut text, ["1", "2"].into_iter());
        assert_eq!(String::from_utf8(text).unwrap(), format!("a,\"b, \"\"c\"\"\",,\"d\ne\",{long}\r\n1,2\r\n"));
    }

    #[test]
    fn whoever_names_csv_gets_it() {
        let asked =
            |value: &'static str| wants_csv(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]));
        assert!(asked("text/csv") && asked("text/html, Text/CSV;q=0.9"));
        assert!(!asked("application/json") && !asked("*/*") && !wants_csv(&HeaderMap::new()));
    }
}
