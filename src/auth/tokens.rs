//! Access tokens (JWT of minutes), refresh tokens and API keys (random, kept as hashes).
//!
//! Whether a session still stands is asked of the database on each use; a token alone
//! admits nobody. Invariant: one algorithm, one key id, every claim typed and checked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use sha2::{Digest, Sha256};

/// How long an access token admits, in seconds.
pub const ACCESS_SECONDS: i64 = 10 * 60;
/// How long a refresh token can be exchanged, in seconds.
pub const REFRESH_SECONDS: i64 = 30 * 24 * 3600;
const ISSUER: &str = "facteur";
const AUDIENCE: &str = "facteur-api";
const KEY_ID: &str = "1";

/// What an access token says (RFC 9068 §2.2, the claims that we use).
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The id of the user or mailbox.
    pub sub: String,
    /// The id of the sign-in.
    pub sid: String,
    /// Unix seconds.
    pub iat: i64,
    /// Unix seconds.
    pub nbf: i64,
    /// Unix seconds.
    pub exp: i64,
    iss: String,
    aud: String,
}

/// Signs and checks access tokens.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Tokens {
    /// With a secret of at least 32 octets.
    pub fn new(secret: &[u8]) -> Self {
        Self { encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret) }
    }

    /// An access token for a sign-in; `now` in Unix seconds.
    ///
    /// # Errors
    /// The library refuses the key.
    pub fn access(&self, sub: &str, sid: &str, now: i64) -> Result<String, jsonwebtoken::errors::Error> {
        let claims = Claims {
            sub: sub.to_owned(),
            sid: sid.to_owned(),
            iat: now,
            nbf: now,
            exp: now + ACCESS_SECONDS,
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
        };
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &self.encoding)
    }

    /// The claims of a token that is ours and in its time; `now` in Unix seconds.
    pub fn check(&self, token: &str, now: i64) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.kid.as_deref() != Some(KEY_ID) {
            return None;
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Checked below against the clock that is handed in.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation).ok()?.claims;
        // Nodes' clocks may differ by so many seconds.
        const SKEW: i64 = 60;
        (claims.nbf <= now + SKEW && now < claims.exp).then_some(claims)
    }
}

/// 256 random bits as text.
pub fn random_text() -> String {
    let octets: [u8; 32] = rand::random();
    URL_SAFE_NO_PAD.encode(octets)
}

/// A password for people to copy: 120 random bits in letters and digits.
pub fn random_password() -> String {
    const DIGITS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
    let octets: [u8; 24] = rand::random();
    octets.iter().map(|o| char::from(DIGITS[usize::from(o & 31)])).collect()
}

/// What an API key begins with, so that scanners of source code find lost ones.
pub const KEY_PREFIX: &str = "fct_";

/// A new API key.
pub fn random_key() -> String {
    format!("{KEY_PREFIX}{}", random_text())
}

/// What is kept of a random token: it has 256 random bits, so a fast hash is enough.
pub fn token_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_others_or_out_of_time_are_refused() {
        let tokens = Tokens::new(&[7; 32]);
        let token = tokens.access("usr_1", "s1", 1000).unwrap();
        assert_eq!(tokens.check(&token, 1000).unwrap().sub, "usr_1");
        assert!(tokens.check(&token, 1000 + ACCESS_SECONDS).is_none(), "expired");
        assert!(tokens.check(&token, 900).is_none(), "not yet");
        assert!(Tokens::new(&[8; 32]).check(&token, 1000).is_none(), "another key");
        let mut parts: Vec<&str> = token.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"1"}"#);
        parts[0] = &none;
        assert!(tokens.check(&parts.join("."), 1000).is_none(), "no algorithm");
        assert!(tokens.check("", 1000).is_none() && tokens.check("a.b.c", 1000).is_none());
    }
}
