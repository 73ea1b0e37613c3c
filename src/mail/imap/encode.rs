//! Data items as octets: numbers, strings, flags, dates (RFC 9051 §9).
//!
//! It writes straight into the output and knows nothing of sessions. Invariant: what is
//! written for a text never ends a line or a string early.

use crate::model::Flags;

/// Writes a number in decimal.
pub(super) fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        if let (Some(slot), Ok(digit)) = (digits.get_mut(at), u8::try_from(value % 10)) {
            *slot = b'0' + digit;
        }
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Writes a string: quoted where it can be, else a literal.
pub(super) fn string(out: &mut Vec<u8>, octets: &[u8]) {
    // RFC 9051 §9 QUOTED-CHAR: 8-bit text is only quoted where UTF-8 was agreed on; a literal always serves.
    let plain = octets.len() <= 1024 && octets.iter().all(|octet| matches!(octet, 0x20..=0x7e));
    if plain {
        quoted(out, octets);
    } else {
        literal(out, octets);
    }
}

/// Writes a string, or a literal8 where NUL is part of it (RFC 9051 §4.3).
pub(super) fn string8(out: &mut Vec<u8>, octets: &[u8]) {
    if octets.contains(&0) {
        out.push(b'~');
    }
    string(out, octets);
}

/// Writes a quoted string; `octets` hold no CR, LF or NUL.
pub(super) fn quoted(out: &mut Vec<u8>, octets: &[u8]) {
    out.push(b'"');
    for octet in octets {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*octet);
    }
    out.push(b'"');
}

/// Writes a literal.
pub(super) fn literal(out: &mut Vec<u8>, octets: &[u8]) {
    literal_start(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

/// Writes the announcement of a literal whose octets follow.
pub(super) fn literal_start(out: &mut Vec<u8>, octets: u64) {
    out.push(b'{');
    number(out, octets);
    out.extend_from_slice(b"}\r\n");
}

/// Writes `* n FETCH (`, or `* uid UIDFETCH (` where only UIDs are spoken of (RFC 9586 §3.3).
pub(super) fn fetch_start(out: &mut Vec<u8>, number: u32, uid: u32, uid_only: bool) {
    out.extend_from_slice(b"* ");
    self::number(out, if uid_only { uid } else { number }.into());
    out.extend_from_slice(if uid_only { b" UIDFETCH (".as_slice() } else { b" FETCH (" });
}

/// Writes `(\Seen word …)`.
pub(super) fn flags(out: &mut Vec<u8>, flags: Flags, keywords: &[Box<str>]) {
    out.push(b'(');
    let mut first = true;
    let mut word = |out: &mut Vec<u8>, text: &str| {
        if !std::mem::take(&mut first) {
            out.push(b' ');
        }
        out.extend_from_slice(text.as_bytes());
    };
    for (flag, name) in Flags::SYSTEM {
        if flags.contains(flag) {
            word(out, name);
        }
    }
    if flags.0 >> 8 != 0 {
        for name in flags.keywords().filter_map(|index| keywords.get(index)) {
            word(out, name);
        }
    }
    out.push(b')');
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Writes `"17-Jul-1996 02:44:25 +0000"` (RFC 9051 §9 date-time), always in UTC.
pub(super) fn date_time(out: &mut Vec<u8>, unix: i64) {
    let (days, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400).unsigned_abs());
    let (year, month, day) = civil(days);
    out.push(b'"');
    // RFC 9051 §9 date-day-fixed: a space stands for the first digit.
    if day < 10 {
        out.push(b' ');
    }
    number(out, day);
    out.push(b'-');
    out.extend_from_slice(MONTHS.get(month.saturating_sub(1)).copied().unwrap_or(b"Jan"));
    out.push(b'-');
    padded(out, year, 4);
    for (mark, value) in [(b' ', second / 3600), (b':', second / 60 % 60), (b':', second % 60)] {
        out.push(mark);
        padded(out, value, 2);
    }
    out.extend_from_slice(b" +0000\"");
}

fn padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut scale = 10u64.pow(u32::try_from(width.saturating_sub(1)).unwrap_or(0));
    while scale > 1 && value < scale {
        out.push(b'0');
        scale /= 10;
    }
    number(out, value);
}

/// Year, month (1–12) and day (1–31) of a day counted from 1970-01-01 (proleptic Gregorian, from year 0).
fn civil(days: i64) -> (u64, usize, u64) {
    // Counted in eras of 400 years from 0000-03-01, so that the leap day is a year's last.
    let shifted = days.saturating_add(719_468).max(0).unsigned_abs();
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_and_strings() {
        assert_eq!(written(|out| number(out, 0)), "0");
        assert_eq!(written(|out| number(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(written(|out| string(out, br#"a "b" \c"#)), r#""a \"b\" \\c""#);
        assert_eq!(written(|out| string(out, "é\r\n".as_bytes())), "{4}\r\né\r\n");
    }

    #[test]
    fn dates_are_utc_with_a_fixed_width() {
        assert_eq!(written(|out| date_time(out, 0)), "\" 1-Jan-1970 00:00:00 +0000\"");
        assert_eq!(written(|out| date_time(out, 837_571_465)), "\"17-Jul-1996 02:44:25 +0000\"");
        assert_eq!(written(|out| date_time(out, 1_709_251_199)), "\"29-Feb-2024 23:59:59 +0000\"");
        assert_eq!(written(|out| date_time(out, -1)), "\"31-Dec-1969 23:59:59 +0000\"");
    }

    #[test]
    fn flags_name_the_folders_keywords() {
        let keywords: Vec<Box<str>> = vec!["$Forwarded".into(), "work".into()];
        let set = Flags::SEEN.union(Flags::keyword(1).unwrap()).union(Flags::keyword(7).unwrap());
        assert_eq!(written(|out| flags(out, set, &keywords)), "(\\Seen work)");
        assert_eq!(written(|out| flags(out, Flags::EMPTY, &keywords)), "()");
    }
}
