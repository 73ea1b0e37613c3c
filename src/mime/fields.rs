//! A header block cut into its fields (RFC 5322 §2.2): the one place that knows where a field ends.
//!
//! Nothing is decoded or unfolded here. Invariant: linear; lines that are no field are passed over; the empty line
//! that ends the header ends the walk.

/// One field as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawField<'a> {
    /// All of it: name, value, folds and the line end.
    pub octets: &'a [u8],
    /// Its name, without the white space that obsolete syntax allows before the colon (RFC 5322 §4.5).
    pub name: &'a [u8],
    /// What follows the colon, folds and line end included.
    pub value: &'a [u8],
}

/// The fields of a header block, in order.
pub fn fields(header: &[u8]) -> impl Iterator<Item = RawField<'_>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() || rest.starts_with(b"\r\n") || rest.starts_with(b"\n") {
                return None;
            }
            let (octets, later) = rest.split_at(field_end(rest));
            rest = later;
            let Some(colon) = memchr::memchr(b':', octets) else { continue };
            let (name, value) = octets.split_at(colon);
            let value = value.get(1..).unwrap_or_default();
            return Some(RawField { octets, name: name.trim_ascii_end(), value });
        }
    })
}

/// RFC 5322 §2.2.3: a field ends at the first line end that no white space follows.
fn field_end(block: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', block)
        .map(|at| at + 1)
        .find(|end| !matches!(block.get(*end), Some(b' ' | b'\t')))
        .unwrap_or(block.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_belong_to_their_field_and_the_empty_line_ends_the_header() {
        let header = b"From : a\r\n b\r\nno field\r\nTo:c\n\n Subject: body\r\n";
        let seen: Vec<_> = fields(header).map(|field| (field.name, field.value)).collect();
        assert_eq!(seen, [(&b"From"[..], &b" a\r\n b\r\n"[..]), (b"To", b"c\n")]);
        assert_eq!(fields(header).next().map(|field| field.octets), Some(&b"From : a\r\n b\r\n"[..]));
        assert_eq!(fields(b"").chain(fields(b"\r\n a: b")).chain(fields(b":")).count(), 1);
    }
}
