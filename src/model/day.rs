//! A day in UTC, written as `2026-11-29` at the edges and counted since 1970 inside.

use jiff::civil::Date;
use std::fmt;
use std::str::FromStr;

const DAY_MS: i64 = 24 * 3_600_000;

/// Days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

/// Text that is no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a day such as 2026-11-29")]
pub struct InvalidDay;

impl Day {
    /// The day of a moment, Unix milliseconds.
    pub fn of(ms: i64) -> Self {
        Self(ms.div_euclid(DAY_MS))
    }
}

impl FromStr for Day {
    type Err = InvalidDay;

    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        let date: Date = text.parse().map_err(|_| InvalidDay)?;
        // One spelling: the reader takes moments, too.
        if text != date.to_string() {
            return Err(InvalidDay);
        }
        let moment = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| InvalidDay)?.timestamp();
        Ok(Self::of(moment.as_millisecond()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = self.0.checked_mul(DAY_MS).and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        match moment {
            Some(moment) => write!(f, "{}", moment.to_zoned(jiff::tz::TimeZone::UTC).date()),
            None => f.write_str("invalid"),
        }
    }
}

impl serde::Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_round_trips_and_has_one_spelling() {
        for (text, day) in [("1970-01-01", 0), ("2026-11-29", 20_786), ("1969-12-31", -1)] {
            assert_eq!(text.parse(), Ok(Day(day)), "{text}");
            assert_eq!(Day(day).to_string(), text);
        }
        assert_eq!((Day::of(86_399_999), Day::of(-1)), (Day(0), Day(-1)));
        for bad in ["", "2026-11-31", "2026-11-29T00:00:00Z", "20261129", "today", "99999-01-01"] {
            assert_eq!(bad.parse::<Day>(), Err(InvalidDay), "{bad}");
        }
    }
}
