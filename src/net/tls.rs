//! The server's certificate and the rustls configuration made of it.
//!
//! It reads PEM files or makes a self-signed certificate once, in the data folder.
//! Invariant: a private key is never readable by anyone else, from its first octet.

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
        let second = TlsIdentity::self_signed(folder.path(), "mail.example.org").unwrap();
        assert_eq!(fs::read(second.key).unwrap(), key, "the same command again keeps what is there");
    }

    #[test]
    fn a_missing_certificate_is_named() {
        let identity = TlsIdentity { certificate: "/nonexistent.crt".into(), key: "/nonexistent.key".into() };
        assert!(identity.server_config().unwrap_err().to_string().contains("/nonexistent.crt"));
    }
}
