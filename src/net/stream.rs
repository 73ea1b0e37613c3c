//! A TCP stream, bare or inside TLS, as one type.
//!
//! Invariant: a stream never goes back from TLS to plain text.

use rustls::ServerConfig;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection's octet stream.
pub enum Stream {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP; boxed, since most of it is the session's state.
    Tls(Box<TlsStream<TcpStream>>),
    /// Compressed, over one of the others; boxed, since it holds buffers.
    Deflated(Box<super::Deflated>),
    /// Memory, for tests that speak to a session without a socket.
    Memory(DuplexStream),
}

impl Stream {
    /// Does the server's side of a TLS handshake.
    ///
    /// # Errors
    /// The handshake failed, or the stream is no plain TCP stream.
    pub async fn into_tls(self, config: Arc<ServerConfig>) -> io::Result<Self> {
        match self {
            Self::Plain(tcp) => {
                let tls = tokio_rustls::TlsAcceptor::from(config).accept(tcp).await?;
                Ok(Self::Tls(Box::new(tls)))
            }
            Self::Tls(_) | Self::Memory(_) | Self::Deflated(_) => {
                Err(io::Error::other("TLS can only start on a plain stream"))
            }
        }
    }

    /// True inside TLS.
    pub fn is_tls(&self) -> bool {
        self.tls().is_some()
    }

    /// True once the stream is compressed.
    pub fn is_deflated(&self) -> bool {
        matches!(self, Self::Deflated(_))
    }

    fn tls(&self) -> Option<&TlsStream<TcpStream>> {
        match self {
            Self::Tls(tls) => Some(tls),
            Self::Deflated(deflated) => deflated.inner().tls(),
            Self::Plain(_) | Self::Memory(_) => None,
        }
    }

    /// The protocol that TLS negotiated (RFC 7301).
    pub fn alpn(&self) -> Option<&[u8]> {
        let tls = self.tls()?;
        tls.get_ref().1.alpn_protocol()
    }

    /// The binding `tls-exporter` of RFC 9266; for TLS 1.3 alone, where it is unique without further conditions (§4.2).
    pub fn tls_exporter(&self) -> Option<Vec<u8>> {
        let session = self.tls()?.get_ref().1;
        if session.protocol_version()? != rustls::ProtocolVersion::TLSv1_3 {
            return None;
        }
        session.export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok()
    }

    /// TLS version and cipher suite, such as `TLSv1_3 TLS13_AES_256_GCM_SHA384`.
    pub fn tls_cipher(&self) -> Option<String> {
        let tls = self.tls()?;
        let session = tls.get_ref().1;
        let version = session.protocol_version()?;
        let suite = session.negotiated_cipher_suite()?.suite();
        Some(format!("{} {}", version.as_str()?, suite.as_str()?))
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(s) => Pin::new(s).poll_read(cx, buf),
            Self::Tls(s) => Pin::new(s).poll_read(cx, buf),
            Self::Memory(s) => Pin::new(s).poll_read(cx, buf),
            Self::Deflated(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(s) => Pin::new(s).poll_write(cx, octets),
            Self::Tls(s) => Pin::new(s).poll_write(cx, octets),
            Self::Memory(s) => Pin::new(s).poll_write(cx, octets),
            Self::Deflated(s) => Pin::new(s).poll_write(cx, octets),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(s) => Pin::new(s).poll_flush(cx),
            Self::Tls(s) => Pin::new(s).poll_flush(cx),
            Self::Memory(s) => Pin::new(s).poll_flush(cx),
            Self::Deflated(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Self::Tls(s) => Pin::new(s).poll_shutdown(cx),
            Self::Memory(s) => Pin::new(s).poll_shutdown(cx),
            Self::Deflated(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}
