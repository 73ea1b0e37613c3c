//! Sealing what must not be readable in the database: AES-256-GCM under the master key.
//!
//! The master key is a file of the data folder, readable by its owner alone from its first
//! octet. Invariant: what was changed or sealed under another key does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

const KEY_OCTETS: usize = 32;

/// Why the master key is not there.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The file cannot be read or written.
    #[error("the master key {path}: {error}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        error: String,
    },
    /// Sealed under another key, or damaged.
    #[error("a sealed secret does not open: is the master key the one of this database?")]
    Sealed,
}

/// Seals and opens; cheap to clone.
#[derive(Clone)]
pub struct Seal {
    key: Arc<RandomizedNonceKey>,
    fingerprints: Arc<[u8; 32]>,
}

impl Seal {
    /// The master key in a folder; made when it is not there.
    ///
    /// # Errors
    /// The file cannot be read or written, or is none of ours.
    pub fn open(folder: &Path) -> Result<Self, SealError> {
        let path = folder.join("master.key");
        let failed = |error: String| SealError::File { path: path.display().to_string(), error };
        let key = match fs::File::open(&path) {
            Ok(mut file) => {
                let mut key = Vec::new();
                file.read_to_end(&mut key).map_err(|e| failed(e.to_string()))?;
                key
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                make(folder, &path).map_err(|e| failed(e.to_string()))?
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        if key.len() != KEY_OCTETS {
            return Err(failed(format!("has {} octets, not {KEY_OCTETS}", key.len())));
        }
        let fingerprints = Arc::new(blake3::derive_key("facteur 2026 fingerprints of requests", &key));
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| SealError::Sealed)?;
        Ok(Self { key: Arc::new(key), fingerprints })
    }

    /// A fingerprint of octets that may hold a password: without the master key it cannot be
    /// tried against guesses.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.fingerprints);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }

    /// Seals octets; `name` says what they are and must be the same at opening.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn seal(&self, name: &str, octets: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = octets.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut sealed)
            .map_err(|_| SealError::Sealed)?;
        let mut out = nonce.as_ref().to_vec();
        out.append(&mut sealed);
        Ok(out)
    }

    /// Opens what was sealed under this key and name.
    ///
    /// # Errors
    /// It was not, or it was changed.
    pub fn open_sealed(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Sealed)?;
        let mut octets = rest.to_vec();
        let opened =
            self.key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut octets).map_err(|_| SealError::Sealed)?;
        Ok(opened.to_vec())
    }
}

fn make(folder: &Path, path: &Path) -> std::io::Result<Vec<u8>> {
    let mut key = vec![0; KEY_OCTETS];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| std::io::Error::other("no randomness"))?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::File::open(folder)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_unchanged_under_its_name_and_key() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let seal = Seal::open(one.path()).unwrap();
        let sealed = seal.seal("jwt", b"secret").unwrap();
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        let again = Seal::open(one.path()).unwrap();
        assert_eq!(again.open_sealed("jwt", &sealed).unwrap(), b"secret");
        assert!(again.open_sealed("dkim", &sealed).is_err());
        assert!(Seal::open(other.path()).unwrap().open_sealed("jwt", &sealed).is_err());
        let mut changed = sealed;
        changed[NONCE_LEN] ^= 1;
        assert!(again.open_sealed("jwt", &changed).is_err());
        assert!(again.open_sealed("jwt", b"x").is_err());
        assert_eq!(seal.fingerprint(&[b"a", b"b"]), again.fingerprint(&[b"a", b"b"]));
        assert_ne!(seal.fingerprint(&[b"a", b"b"]), again.fingerprint(&[b"ab", b""]));
        assert_ne!(seal.fingerprint(&[b"a"]), Seal::open(other.path()).unwrap().fingerprint(&[b"a"]));
    }
}
