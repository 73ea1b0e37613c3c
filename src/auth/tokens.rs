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
/// What a challenge is for: nothing but the second step of its sign-in.
const CHALLENGE_AUDIENCE: &str = "facteur-second-step";
/// How long the second step of a sign-in may follow the first, in seconds.
pub const CHALLENGE_SECONDS: i64 = 5 * 60;
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

/// What a challenge says: whose password was right.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeClaims {
    /// The id of the user or mailbox.
    pub sub: String,
    /// Its password's epoch: a new password voids it.
    pub epoch: i64,
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
        self.sign(&claims)
    }

    /// A challenge for the second step of a sign-in; `now` in Unix seconds.
    ///
    /// # Errors
    /// The library refuses the key.
    pub fn challenge(&self, sub: &str, epoch: i64, now: i64) -> Result<String, jsonwebtoken::errors::Error> {
        self.sign(&ChallengeClaims {
            sub: sub.to_owned(),
            epoch,
            nbf: now,
            exp: now + CHALLENGE_SECONDS,
            iss: ISSUER.to_owned(),
            aud: CHALLENGE_AUDIENCE.to_owned(),
        })
    }

    fn sign<T: serde::Serialize>(&self, claims: &T) -> Result<String, jsonwebtoken::errors::Error> {
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, claims, &self.encoding)
    }

    /// The claims of an access token that is ours and in its time; `now` in Unix seconds.
    pub fn check(&self, token: &str, now: i64) -> Option<Claims> {
        let claims: Claims = self.verify(token, AUDIENCE)?;
        in_time(claims.nbf, claims.exp, now).then_some(claims)
    }

    /// The claims of a challenge that is ours and in its time; `now` in Unix seconds.
    pub fn check_challenge(&self, token: &str, now: i64) -> Option<ChallengeClaims> {
        let claims: ChallengeClaims = self.verify(token, CHALLENGE_AUDIENCE)?;
        in_time(claims.nbf, claims.exp, now).then_some(claims)
    }

    fn verify<T: serde::de::DeserializeOwned + Clone>(&self, token: &str, audience: &str) -> Option<T> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.kid.as_deref() != Some(KEY_ID) {
            return None;
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Checked below against the clock that is handed in.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Some(jsonwebtoken::decode::<T>(token, &self.decoding, &validation).ok()?.claims)
    }
}

fn in_time(nbf: i64, exp: i64, now: i64) -> bool {
    // Nodes' clocks may differ by so many seconds.
    const SKEW: i64 = 60;
    nbf <= now + SKEW && now < exp
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

    #[test]
    fn a_challenge_is_no_access_token_and_neither_is_the_other() {
        let tokens = Tokens::new(&[7; 32]);
        let challenge = tokens.challenge("usr_1", 5, 1000).unwrap();
        assert_eq!(
            tokens.check_challenge(&challenge, 1000).map(|claims| (claims.sub, claims.epoch)),
            Some(("usr_1".into(), 5))
        );
        assert!(tokens.check_challenge(&challenge, 1000 + CHALLENGE_SECONDS).is_none(), "expired");
        assert!(tokens.check(&challenge, 1000).is_none());
        let access = tokens.access("usr_1", "s1", 1000).unwrap();
        assert!(tokens.check_challenge(&access, 1000).is_none());
    }
}
