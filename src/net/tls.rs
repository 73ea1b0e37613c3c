//! The server's certificate and the rustls configuration made of it.
//!
//! It reads PEM files or makes a self-signed certificate once, in the data folder.
//! Invariant: a private key is never readable by anyone else, from its first octet.

use aws_lc_rs::digest;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where certificate chain and private key lie, both PEM.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// The chain and key do not fit each other, or rustls refuses them.
    #[error("the certificate cannot be used: {0}")]
    Unusable(String),
}

fn file_error(path: &Path, error: impl ToString) -> TlsError {
    TlsError::File { path: path.to_owned(), error: error.to_string() }
}

impl TlsIdentity {
    /// The self-signed certificate of the data folder; made for `host` if it is not there.
    ///
    /// # Errors
    /// The files could not be written.
    pub fn self_signed(folder: &Path, host: &str) -> Result<Self, TlsError> {
        let identity = Self { certificate: folder.join("self-signed.crt"), key: folder.join("self-signed.key") };
        if identity.certificate.exists() && identity.key.exists() {
            return Ok(identity);
        }
        fs::create_dir_all(folder).map_err(|e| file_error(folder, e))?;
        let names = vec![host.to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).map_err(|e| TlsError::Unusable(e.to_string()))?;
        write_new(&identity.key, made.signing_key.serialize_pem().as_bytes(), 0o600)?;
        write_new(&identity.certificate, made.cert.pem().as_bytes(), 0o644)?;
        Ok(identity)
    }

    /// The hash of the certificate that a login can be bound to, `tls-server-end-point` (RFC 5929 §4); none where the
    /// certificate's signature names no hash.
    ///
    /// # Errors
    /// The file is missing or no PEM.
    pub fn end_point(&self) -> Result<Option<Arc<[u8]>>, TlsError> {
        let leaf = CertificateDer::from_pem_file(&self.certificate).map_err(|e| file_error(&self.certificate, e))?;
        let hash = signature_hash(&leaf).map(|algorithm| digest::digest(algorithm, &leaf));
        Ok(hash.map(|hash| hash.as_ref().into()))
    }

    /// What rustls needs to serve with this certificate.
    ///
    /// # Errors
    /// A file is missing, is no PEM, or chain and key do not fit.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .map_err(|e| file_error(&self.certificate, e))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|e| file_error(&self.key, e))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        // RFC 9325 §3.1.1: TLS 1.2 and 1.3 alone.
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|e| TlsError::Unusable(e.to_string()))?;
        Ok(Arc::new(config))
    }
}

/// The hash of a certificate's signature; MD5 and SHA-1 count as SHA-256 (RFC 5929 §4.1).
fn signature_hash(certificate: &[u8]) -> Option<&'static digest::Algorithm> {
    let (certificate, _) = element(certificate, 0x30)?;
    let (_, rest) = element(certificate, 0x30)?;
    let (algorithm, _) = element(rest, 0x30)?;
    let (oid, _) = element(algorithm, 0x06)?;
    match oid {
        // RSA (1.2.840.113549.1.1): MD5, SHA-1, SHA-256, SHA-384, SHA-512.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 4 | 5 | 11] => Some(&digest::SHA256),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 12] => Some(&digest::SHA384),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 13] => Some(&digest::SHA512),
        // ECDSA (1.2.840.10045.4): SHA-1, then SHA-256, SHA-384, SHA-512.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2] => Some(&digest::SHA256),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3] => Some(&digest::SHA384),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4] => Some(&digest::SHA512),
        _ => None,
    }
}

/// The contents of a DER element of this kind, and what stands behind it.
fn element(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (head, rest) = der.split_at_checked(2)?;
    let [found, first] = head else { return None };
    let (octets, rest) = match first {
        0x80.. => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let octets =
                length.iter().try_fold(0usize, |sum, octet| sum.checked_mul(256)?.checked_add(usize::from(*octet)));
            (octets?, rest)
        }
        short => (usize::from(*short), rest),
    };
    if *found == kind { rest.split_at_checked(octets) } else { None }
}

/// Writes a file whole or not at all: temporary name, sync, rename, sync of the folder.
fn write_new(path: &Path, octets: &[u8], mode: u32) -> Result<(), TlsError> {
    let temporary = path.with_extension("new");
    let written = (|| {
        let _ = fs::remove_file(&temporary);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    })();
    written.map_err(|e: std::io::Error| file_error(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_self_signed_certificate_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = TlsIdentity::self_signed(folder.path(), "mail.example.org").unwrap();
        let key = fs::read(&first.key).unwrap();
        assert_eq!(fs::metadata(&first.key).unwrap().permissions().mode() & 0o777, 0o600);
        first.server_config().unwrap();
        assert_eq!(first.end_point().unwrap().map(|hash| hash.len()), Some(32), "signed by ECDSA with SHA-256");
        let second = TlsIdentity::self_signed(folder.path(), "mail.example.org").unwrap();
        assert_eq!(fs::read(second.key).unwrap(), key, "the same command again keeps what is there");
    }

    #[test]
    fn a_missing_certificate_is_named() {
        let identity = TlsIdentity { certificate: "/nonexistent.crt".into(), key: "/nonexistent.key".into() };
        assert!(identity.server_config().unwrap_err().to_string().contains("/nonexistent.crt"));
    }
}
