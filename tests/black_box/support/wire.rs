//! A line conversation over TCP or TLS: what SMTP, IMAP and POP3 clients share.

use super::dial::dial;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A conversation of lines.
pub struct Wire {
    transport: Option<Transport>,
    buffer: Vec<u8>,
    taken: usize,
}

impl Wire {
    pub fn connect(to: SocketAddr) -> Self {
        Self::connect_from(to, 0)
    }

    /// Connects from a loopback network of its own (see [`dial`]).
    pub fn connect_from(to: SocketAddr, network: u16) -> Self {
        Self { transport: Some(Transport::Plain(dial(to, network))), buffer: Vec::new(), taken: 0 }
    }

    /// The TLS handshake; the self-signed certificate is taken as it is.
    pub fn start_tls(&mut self) {
        assert_eq!(self.taken, self.buffer.len(), "the server spoke before the handshake");
        let Some(Transport::Plain(stream)) = self.transport.take() else { panic!("already TLS") };
        let name = ServerName::try_from("mail.facteur.example").expect("a name");
        let client = ClientConnection::new(tls(), name).expect("a TLS client");
        let mut tls = StreamOwned::new(client, stream);
        tls.conn.complete_io(&mut tls.sock).expect("the TLS handshake");
        self.transport = Some(Transport::Tls(Box::new(tls)));
    }

    fn tls(&self) -> &ClientConnection {
        match self.transport.as_ref().expect("a transport") {
            Transport::Tls(stream) => &stream.conn,
            Transport::Plain(_) => panic!("no TLS"),
        }
    }

    /// The binding `tls-exporter` (RFC 9266).
    pub fn exporter(&self) -> Vec<u8> {
        let exported = self.tls().export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", Some(b""));
        exported.expect("TLS is there")
    }

    /// The server's certificate.
    pub fn certificate(&self) -> Vec<u8> {
        self.tls().peer_certificates().expect("a chain")[0].to_vec()
    }

    /// How long the next reads wait; [`super::PATIENCE`] unless set.
    pub fn set_patience(&mut self, patience: std::time::Duration) {
        let stream = match self.transport.as_ref().expect("a transport") {
            Transport::Plain(stream) => stream,
            Transport::Tls(stream) => &stream.sock,
        };
        stream.set_read_timeout(Some(patience)).expect("a deadline");
    }

    pub fn send(&mut self, octets: &[u8]) {
        self.try_send(octets).expect("the server reads");
    }

    pub fn try_send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        match self.transport.as_mut().expect("a transport") {
            Transport::Plain(stream) => stream.write_all(octets),
            Transport::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        }
    }

    /// The next line without its CRLF; `None` at the end of the conversation.
    ///
    /// # Errors
    /// When nothing came in time.
    pub fn try_line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            let rest = &self.buffer[self.taken..];
            if let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
                let line = rest[..end].strip_suffix(b"\r").expect("every line ends in CRLF").to_vec();
                self.taken += end + 1;
                return Ok(Some(line));
            }
            if self.fill()? == 0 {
                assert_eq!(self.taken, self.buffer.len(), "the conversation ended inside a line");
                return Ok(None);
            }
        }
    }

    /// The next line as text.
    pub fn line(&mut self) -> String {
        let line = self.try_line().expect("a line in time").expect("a line, not the end");
        String::from_utf8_lossy(&line).into_owned()
    }

    /// Exactly this many octets: a literal.
    pub fn octets(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() - self.taken < count {
            assert_ne!(self.fill().expect("octets in time"), 0, "the conversation ended inside a literal");
        }
        let octets = self.buffer[self.taken..self.taken + count].to_vec();
        self.taken += count;
        octets
    }

    fn fill(&mut self) -> std::io::Result<usize> {
        if self.taken == self.buffer.len() {
            self.buffer.clear();
            self.taken = 0;
        }
        let mut chunk = [0; 64 * 1024];
        let read = match self.transport.as_mut().expect("a transport") {
            Transport::Plain(stream) => stream.read(&mut chunk),
            Transport::Tls(stream) => stream.read(&mut chunk),
        };
        match read {
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(count)
            }
            // A killed server resets; to the client that is an end like any other.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => Ok(0),
            Err(error) => Err(error),
        }
    }
}

fn tls() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("TLS versions").dangerous();
    Arc::new(config.with_custom_certificate_verifier(Arc::new(AnyCertificate)).with_no_client_auth())
}

/// Takes any certificate: tests are about what is said, not about who says it.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
