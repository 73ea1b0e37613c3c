//! CSV (RFC 4180) into the JSON that the single operation takes, a record at a time, as octets come.
//!
//! It knows columns, not what they mean. Invariant: a record that is longer than its bound ends the document.

use super::super::kinds;
use super::super::problem::Problem;
use crate::control::FieldError;
use crate::model::bounds;
use csv_core::{ReadRecordResult, Reader};
use serde_json::{Map, Value};

/// Fields of a record: far more than there are columns.
const FIELDS: usize = 64;

/// How a cell becomes a value.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Text,
    Number,
    /// Parted by spaces.
    List,
}

/// A column: its name, its place in the body, how its cells are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column(&'static str, &'static [&'static str], Cell);

/// The columns of mailboxes.
pub(super) const MAILBOX: &[Column] = &[
    Column("address", &["address"], Cell::Text),
    Column("name", &["name"], Cell::Text),
    Column("password", &["password"], Cell::Text),
    Column("password_hash", &["password_hash"], Cell::Text),
    Column("quota_bytes", &["quota", "bytes"], Cell::Number),
    Column("quota_messages", &["quota", "messages"], Cell::Number),
    Column("imap", &["protocols", "imap", "state"], Cell::Text),
    Column("pop3", &["protocols", "pop3", "state"], Cell::Text),
    Column("submission", &["protocols", "submission", "state"], Cell::Text),
    Column("mode", &["mode"], Cell::Text),
    Column("expires_at", &["expires_at"], Cell::Text),
];

/// The columns of aliases.
pub(super) const ALIAS: &[Column] = &[
    Column("address", &["address"], Cell::Text),
    Column("targets", &["targets"], Cell::List),
    Column("expires_at", &["expires_at"], Cell::Text),
    Column("who_may_post", &["who_may_post"], Cell::Text),
    Column("posters", &["posters"], Cell::List),
];

/// Reads a document.
pub(super) struct CsvRows {
    reader: Reader,
    columns: &'static [Column],
    heading: Option<Vec<Column>>,
    text: Vec<u8>,
    text_len: usize,
    ends: [usize; FIELDS],
    ends_len: usize,
}

impl CsvRows {
    pub(super) fn new(columns: &'static [Column]) -> Self {
        let text = vec![0; bounds::IMPORT_ROW_OCTETS];
        Self { reader: Reader::new(), columns, heading: None, text, text_len: 0, ends: [0; FIELDS], ends_len: 0 }
    }

    /// Takes the next octets; whole records become rows.
    pub(super) fn push(&mut self, octets: &[u8], rows: &mut Vec<Value>) -> Result<(), Problem> {
        let mut rest = octets;
        // To the reader no octets are the end of the document.
        while !rest.is_empty() {
            let read = self.step(rest, rows)?;
            rest = rest.get(read..).unwrap_or_default();
        }
        Ok(())
    }

    /// The document has ended: its last record may lack a line break.
    pub(super) fn finish(&mut self, rows: &mut Vec<Value>) -> Result<(), Problem> {
        self.step(&[], rows)?;
        if self.heading.is_none() {
            return Err(Problem::field("/0", "required", "the document has no heading"));
        }
        Ok(())
    }

    fn step(&mut self, octets: &[u8], rows: &mut Vec<Value>) -> Result<usize, Problem> {
        let text = self.text.get_mut(self.text_len..).unwrap_or_default();
        let ends = self.ends.get_mut(self.ends_len..).unwrap_or_default();
        let (result, read, wrote, fields) = self.reader.read_record(octets, text, ends);
        (self.text_len, self.ends_len) = (self.text_len + wrote, self.ends_len + fields);
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                let detail = format!("a row may have at most {} octets and {FIELDS} cells", bounds::IMPORT_ROW_OCTETS);
                return Err(Problem::new(&kinds::TOO_LARGE, detail));
            }
            ReadRecordResult::Record => {
                let cells = self.cells();
                (self.text_len, self.ends_len) = (0, 0);
                match (&self.heading, cells) {
                    (None, Ok(cells)) => self.heading = Some(self.read_heading(&cells)?),
                    (None, Err(detail)) => return Err(Problem::field("/0", "invalid", detail)),
                    (Some(heading), Ok(cells)) => rows.push(body(heading, cells)),
                    (Some(_), Err(detail)) => rows.push(Value::String(detail)),
                }
            }
        }
        Ok(read)
    }

    /// The cells of the record that was read.
    fn cells(&self) -> Result<Vec<String>, String> {
        let mut from = 0;
        let ends = self.ends.get(..self.ends_len).unwrap_or_default();
        let cell = |end: &usize| {
            let octets = self.text.get(from..*end).unwrap_or_default().to_vec();
            from = *end;
            String::from_utf8(octets).map_err(|_| "is not UTF-8".to_owned())
        };
        ends.iter().map(cell).collect()
    }

    fn read_heading(&self, names: &[String]) -> Result<Vec<Column>, Problem> {
        let (mut found, mut errors) = (Vec::<Column>::new(), Vec::new());
        for (at, name) in names.iter().enumerate() {
            // A byte order mark, as spreadsheets write it.
            let name = name.trim_start_matches('\u{feff}').trim().to_ascii_lowercase();
            let pointer = format!("/0/{at}");
            match self.columns.iter().find(|column| column.0 == name) {
                Some(column) if found.iter().any(|other| other.0 == column.0) => {
                    errors.push(FieldError::new(pointer, "duplicate", format!("the column {name} is there twice")));
                }
                Some(column) => found.push(*column),
                None => {
                    errors.push(FieldError::new(pointer, "unknown_field", format!("there is no column {name:?}")));
                }
            }
        }
        if errors.is_empty() && !found.iter().any(|column| column.0 == "address") {
            errors.push(FieldError::new("/0", "required", "the heading must have the column address"));
        }
        if errors.is_empty() { Ok(found) } else { Err(Problem::invalid(errors)) }
    }
}

/// The body that the cells of a record stand for; an empty cell says nothing.
fn body(heading: &[Column], cells: Vec<String>) -> Value {
    if cells.len() > heading.len() {
        return Value::String(format!("has {} cells, the heading has {}", cells.len(), heading.len()));
    }
    let mut body = Value::Object(Map::new());
    for (Column(_, place, kind), cell) in heading.iter().zip(cells) {
        if cell.is_empty() {
            continue;
        }
        let value = match kind {
            Cell::Text => Value::String(cell),
            // What is no number stays text, and is refused where it is read.
            Cell::Number => cell.trim().parse::<u64>().map_or(Value::String(cell), Value::from),
            Cell::List => cell.split_whitespace().map(|one| Value::String(one.to_owned())).collect(),
        };
        let Some((last, above)) = place.split_last() else { continue };
        let mut at = &mut body;
        for name in above {
            let Value::Object(fields) = at else { break };
            at = fields.entry(*name).or_insert_with(|| Value::Object(Map::new()));
        }
        if let Value::Object(fields) = at {
            fields.insert((*last).to_owned(), value);
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &[u8], step: usize) -> Result<Vec<Value>, Problem> {
        let (mut csv, mut rows) = (CsvRows::new(MAILBOX), Vec::new());
        for part in text.chunks(step) {
            csv.push(part, &mut rows)?;
        }
        csv.finish(&mut rows)?;
        Ok(rows)
    }

    #[test]
    fn cells_find_their_places_however_the_octets_come() {
        let text = "\u{feff}address,Name,quota_bytes,pop3\r\na@x.example,\"A, \"\"B\"\"\",5,disabled\r\nb@x.example,,many,\r\n\
                    c@x.example,C,,,extra\r\nd@x.example";
        for step in [1, 2, 7, 1000] {
            let rows = read(text.as_bytes(), step).unwrap();
            assert_eq!(
                rows[0],
                json!({"address": "a@x.example", "name": "A, \"B\"", "quota": {"bytes": 5}, "protocols": {"pop3": {"state": "disabled"}}})
            );
            assert_eq!(rows[1], json!({"address": "b@x.example", "quota": {"bytes": "many"}}));
            assert!(rows[2].is_string(), "{}", rows[2]);
            assert_eq!(rows[3..], [json!({"address": "d@x.example"})]);
        }
    }

    #[test]
    fn a_heading_that_is_not_understood_is_refused() {
        for (text, code) in [
            (&b"address,shoe_size\n"[..], "unknown_field"),
            (b"name\na\n", "required"),
            (b"address,address\n", "duplicate"),
            (b"", "required"),
        ] {
            assert_eq!(read(text, 3).unwrap_err().errors[0].code, code);
        }
        let long = [b"address\n".to_vec(), vec![b'a'; bounds::IMPORT_ROW_OCTETS + 1]].concat();
        assert_eq!(read(&long, 4096).unwrap_err().status, 413);
        assert!(read(b"address\n\xff@x.example\n", 4).unwrap()[0].is_string());
    }
}
