//! Password hashes: making argon2id, verifying it and what other systems made, on a bounded lane.
//!
//! Beside a hash stand the keys of SCRAM, sealed, so that both are of one password always.
//! It never sees whose password it is. Invariant: at most [`bounds::HASHES_PER_CORE`] hashes a
//! core run at once, at most [`bounds::HASH_QUEUE`] wait; what comes beyond is [`Busy`].

use super::scram::{Keys, Salting};
use super::seal::Seal;
use crate::model::bounds;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// Memory in KiB, passes and lanes (OWASP's second recommendation; 15–30 ms a hash).
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Imported argon2 hashes may cost at most so much memory in KiB and so many passes.
const IMPORTED_MEMORY_KIB: u32 = 262_144;
const IMPORTED_PASSES: u32 = 10;
/// Imported bcrypt costs: above, one login would hold a core for seconds.
const IMPORTED_BCRYPT_COST: u32 = 13;
/// Imported SHA-crypt rounds.
const IMPORTED_SHA_ROUNDS: u32 = 200_000;

/// The lane is full: a temporary failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many logins at once, try again")]
pub struct Busy;

/// Why a hash cannot be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHash {
    /// Not one of the schemes.
    #[error("must begin with {{ARGON2ID}}, {{BLF-CRYPT}}, {{SHA512-CRYPT}} or {{SHA256-CRYPT}}, followed by the hash")]
    Scheme,
    /// The scheme is known, what follows is not.
    #[error("is no hash of its scheme")]
    Syntax,
    /// Verifying it would cost too much.
    #[error("costs too much to verify")]
    Cost,
}

/// Makes and verifies hashes; cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    lane: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    dummy: Arc<str>,
    /// Without it no keys for SCRAM are made.
    seal: Option<Seal>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl Passwords {
    /// A lane for the cores of this machine.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            lane: Arc::new(Semaphore::new(cores * bounds::HASHES_PER_CORE)),
            waiting: Arc::default(),
            dummy: hash_now(b"nobody's password").into(),
            seal: None,
        }
    }

    /// The same, making keys for SCRAM as well.
    #[must_use]
    pub fn sealed_by(self, seal: Seal) -> Self {
        Self { seal: Some(seal), ..self }
    }

    /// Whether passwords can be proven by SCRAM.
    pub fn offer_scram(&self) -> bool {
        self.seal.is_some()
    }

    /// The SCRAM keys beside a stored hash.
    pub fn scram(&self, stored: Option<&str>) -> Option<Keys> {
        Keys::of(stored?, self.seal.as_ref()?)
    }

    /// How the password of a name is salted; of one without keys, always the same.
    pub fn salting(&self, stored: Option<&str>, name: &str) -> Option<Salting> {
        let nobody = Salting::of_nobody(name, self.seal.as_ref()?);
        Some(self.scram(stored).map_or(nobody, |keys| keys.salting()))
    }

    /// Whether what is stored is to be made anew once the password is known: it is of another scheme or cost than
    /// ours, or lacks keys.
    pub fn is_outdated(&self, stored: &str) -> bool {
        is_imported(stored) || (self.seal.is_some() && !Keys::are_beside(stored))
    }

    /// The argon2id hash of a password, and its keys for SCRAM.
    ///
    /// # Errors
    /// The lane is full.
    pub async fn hash(&self, password: &str) -> Result<String, Busy> {
        let password = zeroize::Zeroizing::new(password.to_owned());
        let seal = self.seal.clone();
        self.run(move || match seal {
            None => hash_now(password.as_bytes()),
            Some(seal) => format!("{} {}", hash_now(password.as_bytes()), Keys::make(&password, &seal)),
        })
        .await
    }

    /// Whether a password is the one of a hash; without a hash (an unknown name) it
    /// does the same work and says no.
    ///
    /// # Errors
    /// The lane is full.
    pub async fn verify(&self, hash: Option<&str>, password: &[u8]) -> Result<bool, Busy> {
        // A longer one is wrong for sure, but must not be quicker than any other.
        let known = hash.is_some() && password.len() <= bounds::PASSWORD_OCTETS;
        let hash = hash.filter(|_| known).unwrap_or(&self.dummy).to_owned();
        let cut = password.get(..bounds::PASSWORD_OCTETS).unwrap_or(password);
        let password = zeroize::Zeroizing::new(cut.to_vec());
        let right = self.run(move || verify_now(&hash, &password)).await?;
        Ok(known && right)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let waiting = Waiting::enter(&self.waiting)?;
        let permit = self.lane.clone().acquire_owned().await.map_err(|_| Busy)?;
        // The work ends when it ends, whoever still waits for it: until then it holds its places.
        let done = tokio::task::spawn_blocking(move || {
            let (_waiting, _permit) = (waiting, permit);
            work()
        });
        done.await.map_err(|_| Busy)
    }
}

/// A place in the queue before the lane.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn enter(waiting: &Arc<AtomicUsize>) -> Result<Self, Busy> {
        let place = Self(waiting.clone());
        if waiting.fetch_add(1, Ordering::AcqRel) >= bounds::HASH_QUEUE { Err(Busy) } else { Ok(place) }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn hash_now(password: &[u8]) -> String {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password)
        .map(|hash| hash.to_string())
        // No hash verifies against it: nobody gets in.
        .unwrap_or_default()
}

fn verify_now(stored: &str, password: &[u8]) -> bool {
    let hash = stored.split(' ').next().unwrap_or_default();
    match Scheme::of(hash) {
        Some((Scheme::Argon2, phc)) => {
            PasswordHash::new(phc).is_ok_and(|parsed| Argon2::default().verify_password(password, &parsed).is_ok())
        }
        Some((Scheme::Bcrypt, crypt)) => bcrypt::verify(password, crypt).unwrap_or(false),
        Some((Scheme::ShaCrypt, crypt)) => {
            use sha_crypt::PasswordVerifier as _;
            sha_crypt::ShaCrypt::default().verify_password(password, crypt).is_ok()
        }
        None => false,
    }
}

/// A family of hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Argon2,
    Bcrypt,
    ShaCrypt,
}

impl Scheme {
    /// The scheme of a hash, and the hash without its `{PREFIX}`.
    fn of(hash: &str) -> Option<(Self, &str)> {
        let bare = hash.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or(hash, |(_, bare)| bare);
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| bare.starts_with(prefix));
        if starts(&["$argon2id$", "$argon2i$"]) {
            Some((Self::Argon2, bare))
        } else if starts(&["$2a$", "$2b$", "$2y$"]) {
            Some((Self::Bcrypt, bare))
        } else if starts(&["$5$", "$6$"]) {
            Some((Self::ShaCrypt, bare))
        } else {
            None
        }
    }
}

/// True for a hash that is not of the scheme and cost we make: it is made anew at the next login.
pub fn is_imported(hash: &str) -> bool {
    let (memory, passes, lanes) = COST;
    !hash.starts_with(&format!("$argon2id$v=19$m={memory},t={passes},p={lanes}$"))
}

/// Checks a hash that another system made, `{SCHEME}` and all; answers it as it is stored.
///
/// # Errors
/// The scheme is unknown, the hash is none of it, or costs too much.
pub fn import(hash: &str) -> Result<String, InvalidHash> {
    let (prefix, _) = hash.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or(InvalidHash::Scheme)?;
    let expected = match prefix.to_ascii_uppercase().as_str() {
        "ARGON2ID" | "ARGON2I" => Scheme::Argon2,
        "BLF-CRYPT" => Scheme::Bcrypt,
        "SHA512-CRYPT" | "SHA256-CRYPT" => Scheme::ShaCrypt,
        _ => return Err(InvalidHash::Scheme),
    };
    let (scheme, bare) = Scheme::of(hash).filter(|(scheme, _)| *scheme == expected).ok_or(InvalidHash::Syntax)?;
    if bare.contains(' ') {
        // A space parts the hash from what we keep beside it.
        return Err(InvalidHash::Syntax);
    }
    check_cost(scheme, bare)?;
    Ok(bare.to_owned())
}

fn check_cost(scheme: Scheme, bare: &str) -> Result<(), InvalidHash> {
    let field = |name: &str| {
        bare.split(['$', ','])
            .find_map(|part| part.strip_prefix(name))
            .map(|value| value.parse::<u32>().unwrap_or(u32::MAX))
    };
    let affordable = match scheme {
        Scheme::Argon2 => {
            PasswordHash::new(bare).map_err(|_| InvalidHash::Syntax)?;
            field("m=").is_some_and(|m| m <= IMPORTED_MEMORY_KIB) && field("t=").is_some_and(|t| t <= IMPORTED_PASSES)
        }
        Scheme::Bcrypt => {
            let parts: bcrypt::HashParts = bare.parse().map_err(|_| InvalidHash::Syntax)?;
            parts.get_cost() <= IMPORTED_BCRYPT_COST
        }
        Scheme::ShaCrypt => {
            if bare.split('$').count() < 4 {
                return Err(InvalidHash::Syntax);
            }
            field("rounds=").is_none_or(|rounds| rounds <= IMPORTED_SHA_ROUNDS)
        }
    };
    if affordable { Ok(()) } else { Err(InvalidHash::Cost) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn own_hashes_verify_and_are_not_imported() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(!is_imported(&hash));
        assert_eq!(passwords.verify(Some(&hash), b"correct horse").await, Ok(true));
        assert_eq!(passwords.verify(Some(&hash), b"wrong horse").await, Ok(false));
        assert_eq!(passwords.verify(None, b"nobody's password").await, Ok(false), "nobody has a password");
        assert_eq!(passwords.verify(Some(&hash), &[b'x'; 10_000]).await, Ok(false));
    }

    #[tokio::test]
    async fn keys_for_scram_stand_beside_hashes_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        let passwords = Passwords::new().sealed_by(Seal::open(folder.path()).unwrap());
        let stored = passwords.hash("correct horse").await.unwrap();
        assert!(!is_imported(&stored) && !passwords.is_outdated(&stored) && passwords.scram(Some(&stored)).is_some());
        assert_eq!(passwords.verify(Some(&stored), b"correct horse").await, Ok(true));
        assert_eq!(passwords.verify(Some(&stored), b"wrong horse").await, Ok(false));
        let old = stored.split(' ').next().unwrap();
        assert!(
            passwords.is_outdated(old) && !Passwords::new().is_outdated(old) && passwords.scram(Some(old)).is_none()
        );
        assert_ne!(passwords.salting(Some(&stored), "a@b"), passwords.salting(Some(old), "a@b"));
        assert_eq!(passwords.salting(None, "a@b"), passwords.salting(Some(old), "a@b"));
        // No client can prepare it, so there are no keys, and nobody tries again at each login.
        let odd = passwords.hash("bell\u{7}bell").await.unwrap();
        assert!(!passwords.is_outdated(&odd) && passwords.scram(Some(&odd)).is_none());
        assert_eq!(passwords.verify(Some(&odd), b"bell\x07bell").await, Ok(true));
    }

    #[tokio::test]
    async fn hashes_of_other_systems_verify() {
        let passwords = Passwords::new();
        // Made by `openssl passwd -6` and `-5`.
        let sha512 = "{SHA512-CRYPT}$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";
        let sha256 = "{SHA256-CRYPT}$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA";
        for imported in [sha512, sha256] {
            let stored = import(imported).unwrap();
            assert_eq!(passwords.verify(Some(&stored), b"secret").await, Ok(true), "{imported}");
            assert_eq!(passwords.verify(Some(&stored), b"Secret").await, Ok(false), "{imported}");
        }
        let blowfish = format!("{{BLF-CRYPT}}{}", bcrypt::hash("secret", 4).unwrap());
        let stored = import(&blowfish).unwrap();
        assert!(is_imported(&stored));
        assert_eq!(passwords.verify(Some(&stored), b"secret").await, Ok(true));
        assert_eq!(passwords.verify(Some(&stored), b"Secret").await, Ok(false));
    }

    #[test]
    fn what_is_no_affordable_hash_is_refused() {
        assert_eq!(import("plain"), Err(InvalidHash::Scheme));
        assert_eq!(import("{PLAIN}secret"), Err(InvalidHash::Scheme));
        assert_eq!(import("{BLF-CRYPT}$6$a$b"), Err(InvalidHash::Syntax));
        let keys = "{SHA256-CRYPT}$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA scram-sha-256:1:x:y";
        assert_eq!(import(keys), Err(InvalidHash::Syntax));
        assert_eq!(
            import("{BLF-CRYPT}$2b$31$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"),
            Err(InvalidHash::Cost)
        );
        assert_eq!(import("{SHA512-CRYPT}$6$rounds=999999999$saltsalt$x"), Err(InvalidHash::Cost));
    }
}
