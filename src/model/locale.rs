//! The languages that mail of ours is written in, and what links in it are for.
//!
//! Invariant: what nobody asked for otherwise is English.

use super::access::words;

words!(/// A language.
Locale {
    /// English.
    English = "en",
    /// French.
    French = "fr",
});

words!(/// What a link that sets a password is.
LinkKind {
    /// To a user or mailbox that has no password yet.
    Invitation = "invitation",
    /// For a password that was forgotten.
    Reset = "reset",
});

impl Locale {
    /// The first of ours among the languages that somebody reads (RFC 9110 §12.5.4): in the order of their weights.
    pub fn of_accept_language(value: &str) -> Option<Self> {
        let mut ranges: Vec<(f32, &str)> = value.split(',').take(32).filter_map(weighted).collect();
        // Stable: of equal weights the first counts.
        ranges.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        ranges.into_iter().filter(|(weight, _)| *weight > 0.0).find_map(|(_, range)| {
            let primary = range.split('-').next().unwrap_or_default().to_ascii_lowercase();
            primary.parse().ok()
        })
    }
}

fn weighted(range: &str) -> Option<(f32, &str)> {
    let (range, weight) = match range.split_once(';') {
        Some((range, rest)) => (range, rest.trim().strip_prefix("q=")?.parse().ok().filter(|q: &f32| q.is_finite())?),
        None => (range, 1.0),
    };
    Some((weight, range.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_of_ours_is_taken() {
        let of = Locale::of_accept_language;
        assert_eq!(of("fr-CH, fr;q=0.9, en;q=0.8"), Some(Locale::French));
        assert_eq!(of("de, en;q=0.3, fr;q=0.7"), Some(Locale::French));
        assert_eq!(of("en"), Some(Locale::English));
        for none in ["", "de", "*", "fr;q=0", "fr;q=x", ";;;,,,", "fr;q=NaN"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
