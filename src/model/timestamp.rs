//! A moment, written as RFC 3339 at the edges and counted in milliseconds inside.

use std::fmt;

/// Unix time in milliseconds; text form is RFC 3339 in UTC, such as `2026-11-23T10:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => f.write_str("invalid"),
        }
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        let moment: jiff::Timestamp =
            text.parse().map_err(|_| serde::de::Error::custom("must be a moment such as 2026-11-23T10:00:00Z"))?;
        Ok(Self(moment.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_round_trips() {
        let text = "\"2026-11-23T10:00:00.250Z\"";
        let moment: Timestamp = serde_json::from_str(text).unwrap();
        assert_eq!(moment.0.rem_euclid(1000), 250);
        assert_eq!(serde_json::to_string(&moment).unwrap(), text);
        assert!(serde_json::from_str::<Timestamp>("\"soon\"").is_err());
    }
}
