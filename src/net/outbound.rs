//! The one HTTP client that calls addresses which others name: webhooks.
//!
//! A name is resolved once, each address is checked, and exactly a checked one is connected to. No redirect is followed,
//! nothing of an answer but its status is read. Invariant: no connection to a loopback, private, link-local or otherwise
//! special address (RFC 6890), except the operator's own list; outside that list only over TLS.

use crate::model::bounds;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

/// Octets of an address at most.
const URL_OCTETS: usize = 2048;

/// Why nothing was sent, or no answer came. The texts are shown to the webhook's owner.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The address cannot be called.
    #[error("{0}")]
    Address(String),
    /// The name leads nowhere.
    #[error("the name cannot be resolved")]
    Name,
    /// Every address of the name is one that is not called.
    #[error("the name leads to an address that is not public")]
    NotPublic,
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// No TLS, or not the certificate of this name.
    #[error("no TLS: {0}")]
    Tls(String),
    /// What came is no HTTP answer.
    #[error("no answer: {0}")]
    Http(String),
    /// It took too long.
    #[error("no answer in time")]
    Time,
}

/// The client; cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    allow: Arc<[IpNet]>,
    tls: TlsConnector,
}

trait Octets: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Octets for T {}

impl Outbound {
    /// With the networks that may be called beside the public ones.
    ///
    /// # Errors
    /// The crypto library refuses its own defaults.
    pub fn new(allow: Vec<IpNet>) -> Result<Self, rustls::Error> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { allow: allow.into(), tls: TlsConnector::from(Arc::new(config)) })
    }

    /// An address as it would be called.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, text: &str) -> Result<Url, OutboundError> {
        let wrong = |text: &str| OutboundError::Address(text.to_owned());
        if text.len() > URL_OCTETS {
            return Err(wrong("is too long"));
        }
        let url: Url = text.parse().map_err(|_| wrong("is no address such as https://panel.example.org/hook"))?;
        // Without a list of the operator's, nothing may be called without TLS.
        match url.scheme() {
            "https" => {}
            "http" if !self.allow.is_empty() => {}
            _ => return Err(wrong("must begin with https://")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("must not hold a name or password"));
        }
        match url.host() {
            Some(Host::Ipv4(ip)) if !self.may_call(ip.into()) => Err(wrong("is not a public address")),
            Some(Host::Ipv6(ip)) if !self.may_call(ip.into()) => Err(wrong("is not a public address")),
            Some(_) => Ok(url),
            None => Err(wrong("has no host")),
        }
    }

    fn is_allowed(&self, ip: IpAddr) -> bool {
        self.allow.iter().any(|network| network.contains(&ip.to_canonical()))
    }

    fn may_call(&self, ip: IpAddr) -> bool {
        is_public(ip) || self.is_allowed(ip)
    }

    /// Posts a body; the status of the answer.
    ///
    /// # Errors
    /// See [`OutboundError`].
    pub async fn post(&self, url: &str, headers: &[(&str, String)], body: Vec<u8>) -> Result<u16, OutboundError> {
        let url = self.check(url)?;
        timeout(bounds::OUTBOUND_TIME, self.send(&url, headers, body)).await.map_err(|_| OutboundError::Time)?
    }

    async fn send(&self, url: &Url, headers: &[(&str, String)], body: Vec<u8>) -> Result<u16, OutboundError> {
        let stream = self.connect(url).await?;
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let mut request = hyper::Request::builder()
            .method("POST")
            .uri(&url[Position::BeforePath..Position::AfterQuery])
            .header("host", authority)
            .header("user-agent", concat!("Facteur/", env!("CARGO_PKG_VERSION")))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let failed = |error: &dyn std::fmt::Display| OutboundError::Http(error.to_string());
        let request = request.body(Full::new(Bytes::from(body))).map_err(|e| failed(&e))?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(bounds::HTTP_HEADER_OCTETS);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
        // The connection lives as long as the request, in the same task.
        let mut connection = std::pin::pin!(connection);
        let mut answer = std::pin::pin!(sender.send_request(request));
        tokio::select! {
            biased;
            answer = &mut answer => answer.map(|answer| answer.status().as_u16()).map_err(|e| failed(&e)),
            ended = &mut connection => match ended {
                // It may have ended right behind the answer.
                Ok(()) => answer.await.map(|answer| answer.status().as_u16()).map_err(|e| failed(&e)),
                Err(error) => Err(failed(&error)),
            },
        }
    }

    async fn connect(&self, url: &Url) -> Result<Box<dyn Octets>, OutboundError> {
        let port = url.port_or_known_default().unwrap_or(443);
        let found: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(ip)) => vec![(ip, port).into()],
            Some(Host::Ipv6(ip)) => vec![(ip, port).into()],
            Some(Host::Domain(name)) => {
                tokio::net::lookup_host((name, port)).await.map_err(|_| OutboundError::Name)?.collect()
            }
            None => Vec::new(),
        };
        let secure = url.scheme() == "https";
        let may = |to: &&SocketAddr| if secure { self.may_call(to.ip()) } else { self.is_allowed(to.ip()) };
        // Whatever the name leads to a moment later, it is this address.
        let to = found.iter().find(may).ok_or(if found.is_empty() {
            OutboundError::Name
        } else {
            OutboundError::NotPublic
        })?;
        let connecting = timeout(bounds::OUTBOUND_CONNECT_TIME, TcpStream::connect(to)).await;
        let tcp = connecting.map_err(|_| OutboundError::Time)?.map_err(|e| OutboundError::Connect(e.to_string()))?;
        if !secure {
            return Ok(Box::new(tcp));
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|e| OutboundError::Tls(e.to_string()))?;
        let tls = self.tls.connect(name, tcp).await.map_err(|e| OutboundError::Tls(e.to_string()))?;
        Ok(Box::new(tls))
    }
}

/// Whether an address lies in the public internet (RFC 6890 and the registries that it began).
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = matches!(
        ip.octets(),
        [0 | 10 | 127, ..]
            | [224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    );
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    // RFC 4291 §2.4: global unicast as it is assigned; in it, special blocks, documentation, and 6to4, which hides an IPv4 address.
    let global = first & 0xe000 == 0x2000;
    let special = (first == 0x2001 && (second < 0x0200 || second == 0x0db8)) || first == 0x2002 || first == 0x3fff;
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbound(allow: &[&str]) -> Outbound {
        Outbound::new(allow.iter().map(|network| network.parse().unwrap()).collect()).unwrap()
    }

    #[test]
    fn only_public_addresses_are_called() {
        let special = [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.255.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.9.9",
            "192.168.1.1",
            "192.0.0.1",
            "192.0.2.7",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "100::1",
        ];
        for ip in special {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "9.9.9.9",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "2606:4700::1111",
            "2a01:4f8::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn addresses_of_thirty_spellings_are_seen_through() {
        let outbound = outbound(&[]);
        let refused = [
            "http://example.org/",
            "ftp://example.org/",
            "example.org",
            "https://",
            "https://u:p@example.org/",
            "https://u@example.org/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://017700000001/",
            "https://0/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://127.0.0.1:8443/x",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.8/",
            "https://192.168.0.1/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://①②⑦.0.0.1/",
            "https://127。0。0。1/",
            "https:\\\\127.0.0.1\\",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "https://[64:ff9b::7f00:1]/",
        ];
        for text in refused {
            assert!(outbound.check(text).is_err(), "{text}");
        }
        for text in ["https://panel.example.org/hook?x=1", "https://1.1.1.1/", "HTTPS://Example.ORG:8443/"] {
            assert!(outbound.check(text).is_ok(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_called_and_the_operators_list_is() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for scheme in ["https", "http"] {
            // Another network is allowed, so that http is no mistake by itself.
            let refused =
                outbound(&["192.0.2.0/24"]).post(&format!("{scheme}://localhost:{port}/"), &[], Vec::new()).await;
            assert!(matches!(refused, Err(OutboundError::NotPublic)), "{scheme}: {refused:?}");
        }
        let answering = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut octets = vec![0; 4096];
            let read = stream.read(&mut octets).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n")
                .await
                .unwrap();
            String::from_utf8_lossy(&octets[..read]).into_owned()
        });
        let allowed = outbound(&["127.0.0.0/8"]);
        let headers = [("webhook-id", "x".to_owned())];
        let status =
            allowed.post(&format!("http://127.0.0.1:{port}/hook?a=b"), &headers, b"{}".to_vec()).await.unwrap();
        // No redirect is followed: the status is what it is.
        assert_eq!(status, 302);
        let request = answering.await.unwrap();
        assert!(
            request.starts_with("POST /hook?a=b HTTP/1.1\r\n") && request.contains("webhook-id: x\r\n"),
            "{request}"
        );
        assert!(
            request.contains(&format!("host: 127.0.0.1:{port}\r\n")) && request.ends_with("\r\n\r\n{}"),
            "{request}"
        );
    }
}
