//! One HTTP request to the API: over TLS or, on this machine, without.
//!
//! Follows no redirect. Invariant: a token goes nowhere but to the address that the user named.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long a request may take; `Prefer: wait` has at most 30 s of it.
const PATIENCE: Duration = Duration::from_secs(120);
/// After how long without a sign of life a stream is given up; the API gives one every 15 s.
const SILENCE: Duration = Duration::from_secs(60);
/// The largest answer that is read: a page of 1,000 objects is far smaller.
const ANSWER_OCTETS: usize = 64 * 1024 * 1024;

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// The server did not answer, or not as it should.
    NoAnswer(String),
    /// The API refused: status and problem.
    Refused(u16, Box<Value>),
    /// Something on this machine.
    Other(String),
}

impl Failure {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NoAnswer(_) => 9,
            Self::Other(_) => 1,
            Self::Refused(status, _) => match status {
                401 => 3,
                403 => 4,
                404 => 5,
                409 | 412 => 6,
                400 | 413 | 415 | 422 => 7,
                429 => 8,
                _ => 1,
            },
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(text) | Self::Other(text) => write!(f, "error: {text}"),
            Self::NoAnswer(text) => write!(f, "error: no answer from the API: {text}"),
            Self::Refused(status, problem) => {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                write!(f, "error: {} ({status} {})", text(&problem["title"]), text(&problem["code"]))?;
                if let Some(detail) = problem["detail"].as_str() {
                    write!(f, "\n  {detail}")?;
                }
                for error in problem["errors"].as_array().into_iter().flatten() {
                    write!(f, "\n  {}: {}", text(&error["pointer"]), text(&error["detail"]))?;
                }
                if *status == 401 {
                    write!(f, "\n  Sign in with `facteur login NAME`, or set FACTEUR_API_KEY.")?;
                }
                Ok(())
            }
        }
    }
}

/// What is to be sent.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Value>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null when there is none.
    pub fn json(&self) -> Result<Value, Failure> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|_| Failure::NoAnswer("what answers there is no Facteur API".into()))
    }
}

/// Where requests go and as whom.
pub(super) struct Api {
    base: Uri,
    ca: Option<String>,
    /// Who asks.
    pub bearer: super::account::Bearer,
}

impl Api {
    /// An API at a URL. Without TLS only on this machine, unless `insecure` says otherwise.
    pub fn new(url: &str, ca: Option<String>, bearer: super::account::Bearer, insecure: bool) -> Result<Self, Failure> {
        let base: Uri = url.parse().map_err(|_| Failure::Usage(format!("{url} is no URL")))?;
        if base.host().is_none() || !["http", "https"].contains(&base.scheme_str().unwrap_or_default()) {
            return Err(Failure::Usage(format!("{url} must begin with http:// or https://")));
        }
        if base.scheme_str() == Some("http") && !insecure && !is_this_machine(base.host().unwrap_or_default()) {
            let text = "is another machine, and http:// shows passwords and tokens to whoever listens";
            return Err(Failure::Usage(format!("{url} {text}: use https://, or --insecure-http")));
        }
        Ok(Self { base, ca, bearer })
    }

    /// Sends a request; refreshes a sign-in that has run out, once.
    pub async fn send(&mut self, ask: &Ask) -> Result<Answer, Failure> {
        let mut answer = self.once(ask, self.bearer.token().as_deref()).await?;
        if answer.status == 401 && super::account::refresh(self).await? {
            answer = self.once(ask, self.bearer.token().as_deref()).await?;
        }
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let problem = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        Err(Failure::Refused(answer.status, Box::new(problem)))
    }

    /// Sends a request as it is.
    pub async fn once(&self, ask: &Ask, token: Option<&str>) -> Result<Answer, Failure> {
        let one = self.exchange(ask, token);
        let out_of_time = |_| Failure::NoAnswer(format!("{} took longer than {} s", self.base, PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, one).await.map_err(out_of_time)?
    }

    async fn exchange(&self, ask: &Ask, token: Option<&str>) -> Result<Answer, Failure> {
        collect(self.open(ask, token).await?).await
    }

    /// Sends a request and gives what comes, as it comes, to `take`, until that says false or the stream ends.
    pub async fn stream(&mut self, ask: &Ask, mut take: impl FnMut(&Bytes) -> bool) -> Result<(), Failure> {
        let mut opened = self.open(ask, self.bearer.token().as_deref()).await?;
        if opened.answer.status() == 401 && super::account::refresh(self).await? {
            opened = self.open(ask, self.bearer.token().as_deref()).await?;
        }
        if !opened.answer.status().is_success() {
            let answer = collect(opened).await?;
            let problem = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
            return Err(Failure::Refused(answer.status, Box::new(problem)));
        }
        let silent = |_| Failure::NoAnswer(format!("nothing for {} s", SILENCE.as_secs()));
        while let Some(frame) = tokio::time::timeout(SILENCE, opened.answer.frame()).await.map_err(silent)? {
            let frame = frame.map_err(|error| Failure::NoAnswer(error.to_string()))?;
            if frame.data_ref().is_some_and(|octets| !take(octets)) {
                break;
            }
        }
        Ok(())
    }

    async fn open(&self, ask: &Ask, token: Option<&str>) -> Result<Opened, Failure> {
        let host = self.base.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let tls = self.base.scheme_str() == Some("https");
        let port = self.base.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let failed = |error: std::io::Error| Failure::NoAnswer(format!("{host} port {port}: {error}"));
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(failed)?;
        let request = self.request(ask, token)?;
        if !tls {
            return over(stream, request).await;
        }
        let connector = TlsConnector::from(Arc::new(self.tls()?));
        let name = ServerName::try_from(host.clone()).map_err(|_| Failure::Usage(format!("{host} is no host name")))?;
        let stream = connector.connect(name, stream).await.map_err(|error| {
            Failure::NoAnswer(format!("{host} port {port}: {error}; --ca FILE names a certificate to trust"))
        })?;
        over(stream, request).await
    }

    fn request(&self, ask: &Ask, token: Option<&str>) -> Result<Request<Full<Bytes>>, Failure> {
        let authority = self.base.authority().map_or("", |authority| authority.as_str());
        let prefix = self.base.path().trim_end_matches('/');
        let mut request = Request::builder()
            .method(ask.method.as_str())
            .uri(format!("{prefix}{}", ask.target))
            .header("host", authority)
            .header("accept", "application/json")
            .header("user-agent", concat!("facteur/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let body = ask.body.as_ref().map(Value::to_string);
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = Full::new(Bytes::from(body.unwrap_or_default()));
        request.body(body).map_err(|error| Failure::Usage(error.to_string()))
    }

    fn tls(&self) -> Result<ClientConfig, Failure> {
        let mut roots = RootCertStore::empty();
        // A machine without any is no reason to fail: --ca may name the one that counts.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &self.ca {
            let unreadable = |error: String| Failure::Usage(format!("{path}: {error}"));
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
                roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
            }
        }
        Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }
}

/// Whether a host of a URL is this machine, whatever a name server says of it.
fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let named = host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    named || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// An answer whose body has still to come; the connection ends with it.
struct Opened {
    answer: hyper::Response<hyper::body::Incoming>,
    _connection: tokio_util::task::AbortOnDropHandle<Result<(), hyper::Error>>,
}

async fn over<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Opened, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| Failure::NoAnswer(error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let driver = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let answer = sender.send_request(request).await.map_err(broken)?;
    Ok(Opened { answer, _connection: driver })
}

async fn collect(opened: Opened) -> Result<Answer, Failure> {
    let status = opened.answer.status().as_u16();
    let body = Limited::new(opened.answer.into_body(), ANSWER_OCTETS).collect().await;
    let body = body.map_err(|error| Failure::NoAnswer(error.to_string()))?.to_bytes();
    Ok(Answer { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::account::Bearer;

    #[test]
    fn tokens_leave_this_machine_encrypted_unless_told_otherwise() {
        let may = |url: &str, insecure| Api::new(url, None, Bearer::Nobody, insecure).is_ok();
        for url in [
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost",
            "http://LOCALHOST/x",
            "https://mail.example",
        ] {
            assert!(may(url, false), "{url}");
        }
        for url in [
            "http://mail.example",
            "http://192.0.2.1:8080",
            "http://localhost.example",
            "http://127.0.0.1.example",
            "http://0.0.0.0",
        ] {
            assert!(!may(url, false), "{url}");
            assert!(may(url, true), "{url}");
        }
        assert!(!may("ftp://localhost", true));
    }
}
