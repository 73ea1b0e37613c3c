//! SCRAM-SHA-256 as the server speaks it (RFC 5802, RFC 7677): keys made of a password, and one exchange.
//!
//! It knows no mailbox and no connection: names go out, keys and the channel's binding come in. Invariants: keys leave
//! this file sealed alone; a proof is right for the keys whose salt the client was given and for no others.

use super::seal::Seal;
use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::num::NonZeroU32;

/// The mechanism's name, and how it is called with channel binding.
pub const NAMES: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];

/// RFC 7677 §4 asks for 4096 at least; a few milliseconds of every client's time.
const ITERATIONS: u32 = 10_000;
/// What stands before keys in a stored password.
const PREFIX: &str = "scram-sha-256:";
/// What the keys are sealed as.
const SEALED_AS: &str = "scram-sha-256";
const KEY: usize = 32;
const SALT: usize = 16;

/// What the server keeps of a password for SCRAM (RFC 5802 §3).
pub struct Keys {
    iterations: u32,
    salt: Vec<u8>,
    stored: [u8; KEY],
    server: [u8; KEY],
}

fn mac(key: &[u8], text: &[u8]) -> [u8; KEY] {
    let mut out = [0; KEY];
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    out.iter_mut().zip(tag.as_ref()).for_each(|(out, octet)| *out = *octet);
    out
}

fn sha256(octets: &[u8]) -> [u8; KEY] {
    let mut out = [0; KEY];
    let digest = digest::digest(&digest::SHA256, octets);
    out.iter_mut().zip(digest.as_ref()).for_each(|(out, octet)| *out = *octet);
    out
}

impl Keys {
    /// The keys of a password, sealed, as they stand beside its hash; no keys for a password that no client can prepare.
    pub(super) fn make(password: &str, seal: &Seal) -> String {
        let keys = Self::derive(password, ITERATIONS, &rand::random::<[u8; SALT]>());
        let text = keys.and_then(|keys| {
            let sealed = seal.seal(SEALED_AS, &[keys.stored, keys.server].concat()).ok()?;
            Some(format!("{ITERATIONS}:{}:{}", STANDARD.encode(&keys.salt), STANDARD.encode(sealed)))
        });
        format!("{PREFIX}{}", text.unwrap_or_default())
    }

    fn derive(password: &str, iterations: u32, salt: &[u8]) -> Option<Self> {
        // RFC 5802 §2.2: as clients prepare it.
        let prepared = stringprep::saslprep(password).ok()?;
        let mut salted = zeroize::Zeroizing::new([0; KEY]);
        let count = NonZeroU32::new(iterations)?;
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, count, salt, prepared.as_bytes(), salted.as_mut());
        let client = zeroize::Zeroizing::new(mac(salted.as_ref(), b"Client Key"));
        let server = mac(salted.as_ref(), b"Server Key");
        Some(Self { iterations, salt: salt.to_vec(), stored: sha256(client.as_ref()), server })
    }

    /// The keys beside a stored hash, if there are any.
    pub(super) fn of(stored: &str, seal: &Seal) -> Option<Self> {
        let text = stored.split(' ').find_map(|part| part.strip_prefix(PREFIX))?;
        let mut fields = text.split(':');
        let iterations = fields.next()?.parse().ok()?;
        let salt = STANDARD.decode(fields.next()?).ok()?;
        let keys = seal.open_sealed(SEALED_AS, &STANDARD.decode(fields.next()?).ok()?).ok()?;
        let (stored, server) = keys.split_at_checked(KEY)?;
        Some(Self { iterations, salt, stored: stored.try_into().ok()?, server: server.try_into().ok()? })
    }

    /// Whether a stored hash has keys beside it.
    pub(super) fn are_beside(stored: &str) -> bool {
        stored.split(' ').any(|part| part.starts_with(PREFIX))
    }

    /// What a client is told before it proves anything.
    pub fn salting(&self) -> Salting {
        Salting { iterations: self.iterations, salt: self.salt.clone() }
    }
}

/// How a password is salted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salting {
    iterations: u32,
    salt: Vec<u8>,
}

impl Salting {
    /// For a name that has no keys, or that nobody has: always the same, so that nothing tells them apart.
    pub(super) fn of_nobody(name: &str, seal: &Seal) -> Self {
        let mut salt = seal.fingerprint(&[b"scram", name.as_bytes()]).to_vec();
        salt.truncate(SALT);
        Self { iterations: ITERATIONS, salt }
    }
}

/// What a client says of channel binding (RFC 5802 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// `n`: it cannot.
    Unable,
    /// `y`: it could, and believes that the server cannot.
    NotOffered,
    /// `p`: by this type of binding.
    By(String),
}

/// `client-first-message` (RFC 5802 §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFirst {
    /// What it says of channel binding.
    pub binding: Binding,
    /// Who signs in.
    pub name: String,
    gs2_header: String,
    bare: String,
    nonce: String,
}

impl ClientFirst {
    /// Reads the message; none when it is none, or acts for another than it signs in as (RFC 5802 §7 authzid).
    pub fn new(message: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        let mut fields = text.splitn(3, ',');
        let (flag, authzid, bare) = (fields.next()?, fields.next()?, fields.next()?);
        let binding = match flag {
            "n" => Binding::Unable,
            "y" => Binding::NotOffered,
            other => Binding::By(other.strip_prefix("p=").filter(|name| !name.is_empty())?.to_owned()),
        };
        let mut attributes = bare.split(',');
        // RFC 5802 §5.1: a mandatory extension, `m=`, would stand here, and none is known.
        let name = unescaped(attributes.next()?.strip_prefix("n=")?)?;
        let nonce = attributes.next()?.strip_prefix("r=").filter(|nonce| is_printable(nonce))?.to_owned();
        if name.is_empty() || !(authzid.is_empty() || unescaped(authzid.strip_prefix("a=")?)? == name) {
            return None;
        }
        let gs2_header = format!("{flag},{authzid},");
        Some(Self { binding, name, gs2_header, bare: bare.to_owned(), nonce })
    }
}

/// RFC 5802 §5.1: `=2C` and `=3D` stand for comma and equals sign, and nothing else stands behind `=`.
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        out.push(match code {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        out.push_str(rest);
    }
    Some(out)
}

/// RFC 5802 §7 printable.
fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',')
}

/// An exchange whose client has been told how its password is salted.
pub struct Challenge {
    first: ClientFirst,
    nonce: String,
    salting: Salting,
    text: String,
}

impl Challenge {
    /// Answers the client's first message.
    pub fn new(first: ClientFirst, salting: Salting) -> Self {
        Self::with_nonce(first, salting, &STANDARD.encode(rand::random::<[u8; 18]>()))
    }

    fn with_nonce(first: ClientFirst, salting: Salting, ours: &str) -> Self {
        let nonce = format!("{}{ours}", first.nonce);
        let text = format!("r={nonce},s={},i={}", STANDARD.encode(&salting.salt), salting.iterations);
        Self { first, nonce, salting, text }
    }

    /// `server-first-message`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Who signs in.
    pub fn name(&self) -> &str {
        &self.first.name
    }

    /// Reads `client-final-message`; none when it belongs to another exchange or another channel. `channel`: the
    /// binding of the connection, where the client said that it binds to it.
    pub fn proof(self, message: &[u8], channel: &[u8]) -> Option<Proof> {
        let text = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let bound = STANDARD.decode(attributes.next()?.strip_prefix("c=")?).ok()?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        // RFC 5802 §5.1: the nonces of both, and the GS2 header with what the channel is bound by.
        let expected = [self.first.gs2_header.as_bytes(), channel].concat();
        if nonce != self.nonce || constant_time::verify_slices_are_equal(&bound, &expected).is_err() {
            return None;
        }
        let proof = STANDARD.decode(proof).ok()?.try_into().ok()?;
        let signed = format!("{},{},{without_proof}", self.first.bare, self.text).into_bytes();
        Some(Proof { salting: self.salting, signed, proof })
    }
}

/// What a client sent to prove that it knows the password.
pub struct Proof {
    salting: Salting,
    /// AuthMessage (RFC 5802 §3).
    signed: Vec<u8>,
    proof: [u8; KEY],
}

impl Proof {
    /// Whether it proves the password of these keys; without keys it does the same work and says no.
    pub fn is_right(&self, keys: Option<&Keys>) -> bool {
        let stored = keys.map_or([0; KEY], |keys| keys.stored);
        let mut client = mac(&stored, &self.signed);
        client.iter_mut().zip(self.proof).for_each(|(octet, proof)| *octet ^= proof);
        let proven = constant_time::verify_slices_are_equal(&sha256(&client), &stored).is_ok();
        // Keys that came after the challenge are of another password.
        proven && keys.is_some_and(|keys| keys.salting() == self.salting)
    }

    /// `server-final-message`: proves to the client that the server has the keys.
    pub fn answer(&self, keys: &Keys) -> String {
        format!("v={}", STANDARD.encode(mac(&keys.server, &self.signed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_standard_holds() {
        // RFC 7677 §3.
        let keys = Keys::derive("pencil", 4096, &STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap()).unwrap();
        let first = ClientFirst::new(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        let challenge = Challenge::with_nonce(first, keys.salting(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        assert_eq!(
            challenge.text(),
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let proof = challenge.proof(last.as_bytes(), b"").unwrap();
        assert!(proof.is_right(Some(&keys)) && !proof.is_right(None));
        assert_eq!(proof.answer(&keys), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let others = Keys::derive("pencil", 4096, b"another salt").unwrap();
        assert!(!proof.is_right(Some(&others)));
    }

    #[test]
    fn keys_are_kept_sealed_beside_the_hash() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let seal = Seal::open(folder.path()).unwrap();
        let stored = format!("$argon2id$x {}", Keys::make("open sesame", &seal));
        assert!(Keys::are_beside(&stored) && !Keys::are_beside("$argon2id$x"));
        let keys = Keys::of(&stored, &seal).unwrap();
        let again = Keys::derive("open sesame", keys.iterations, &keys.salt).unwrap();
        assert!(keys.stored == again.stored && keys.server == again.server);
        assert!(Keys::of(&stored, &Seal::open(other.path()).unwrap()).is_none());
        assert_ne!(Salting::of_nobody("a@b", &seal), Salting::of_nobody("a@c", &seal));
        assert_eq!(Salting::of_nobody("a@b", &seal), Salting::of_nobody("a@b", &seal));
    }

    #[test]
    fn what_is_no_first_message_is_refused() {
        let name = |message: &str| ClientFirst::new(message.as_bytes()).map(|first| first.name);
        assert_eq!(name("n,,n=a=2Cb=3Dc,r=x").as_deref(), Some("a,b=c"));
        assert_eq!(name("p=tls-exporter,a=u,n=u,r=x,ext=1").as_deref(), Some("u"));
        let wrong = [
            "",
            "n",
            "n,,",
            "n,,n=u",
            "n,,r=x,n=u",
            "n,,n=u,r=",
            "n,a=v,n=u,r=x",
            "p=,,n=u,r=x",
            "n,,m=1,n=u,r=x",
            "n,,n=a=,r=x",
            "x,,n=u,r=x",
        ];
        for wrong in wrong {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn another_channel_or_nonce_is_no_proof() {
        let keys = Keys::derive("pw", 1, b"salt").unwrap();
        let challenge = || {
            let first = ClientFirst::new(b"p=tls-exporter,,n=u,r=abc").unwrap();
            Challenge::with_nonce(first, keys.salting(), "def")
        };
        let last = |bound: &[u8], nonce: &str| {
            format!("c={},r={nonce},p={}", STANDARD.encode(bound), STANDARD.encode([0; 32]))
        };
        assert!(challenge().proof(last(b"p=tls-exporter,,channel", "abcdef").as_bytes(), b"channel").is_some());
        assert!(challenge().proof(last(b"p=tls-exporter,,other", "abcdef").as_bytes(), b"channel").is_none());
        assert!(challenge().proof(last(b"n,,channel", "abcdef").as_bytes(), b"channel").is_none());
        assert!(challenge().proof(last(b"p=tls-exporter,,channel", "abcxyz").as_bytes(), b"channel").is_none());
    }

    proptest! {
        #[test]
        fn no_message_panics(first in "[nyp=,armu2CD]{0,24}", last in "[crp=,a-z]{0,24}") {
            if let Some(first) = ClientFirst::new(first.as_bytes()) {
                let salting = Salting { iterations: 1, salt: vec![1] };
                prop_assert!(Challenge::new(first, salting).proof(last.as_bytes(), b"").is_none());
            }
        }
    }
}
