//! The mail listeners: bind all, accept, admit, hand each connection to its protocol.
//!
//! The HTTP listener belongs to `api`. Invariant: a connection beyond a bound gets the
//! protocol's busy answer, never silence; a full descriptor table slows accepting, never spins.

use crate::mail::conn::{Conn, ConnSettings};
use crate::mail::{Services, imap, pop3, smtp};
use crate::net::{Admission, Stream, Ticket, bind};
use crate::settings::Listeners;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// How long accepting rests when the system has no descriptor left.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How long the busy answer may take.
const BUSY_TIME: Duration = Duration::from_secs(1);

/// Which conversation a listener opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SMTP from other servers.
    Mx,
    /// SMTP from mail clients.
    Submission,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
}

/// A bound listener.
pub struct MailListener {
    /// Its key in settings and in the table of addresses.
    pub name: &'static str,
    /// What it speaks.
    pub kind: Kind,
    /// TLS from the first octet (RFC 8314 §3.3).
    pub implicit_tls: bool,
    socket: TcpListener,
}

impl MailListener {
    /// Where it listens; port 0 of the settings has become a real one.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// One line for the table of addresses.
    pub fn meaning(&self) -> &'static str {
        match (self.kind, self.implicit_tls) {
            (Kind::Mx, _) => "SMTP from other mail servers, STARTTLS",
            (Kind::Submission, false) => "submission with login, STARTTLS",
            (Kind::Submission, true) => "submission with login, TLS",
            (Kind::Imap, false) => "IMAP, STARTTLS",
            (Kind::Imap, true) => "IMAP, TLS",
            (Kind::Pop3, false) => "POP3, STLS",
            (Kind::Pop3, true) => "POP3, TLS",
        }
    }
}

/// Binds every mail listener that is not off.
///
/// # Errors
/// One sentence for each that could not be bound.
pub fn bind_all(listeners: &Listeners) -> Result<Vec<MailListener>, Vec<String>> {
    let wanted = [
        ("mx", Kind::Mx, false, listeners.mx),
        ("submission", Kind::Submission, false, listeners.submission),
        ("submissions", Kind::Submission, true, listeners.submissions),
        ("imap", Kind::Imap, false, listeners.imap),
        ("imaps", Kind::Imap, true, listeners.imaps),
        ("pop3", Kind::Pop3, false, listeners.pop3),
        ("pop3s", Kind::Pop3, true, listeners.pop3s),
    ];
    let mut bound = Vec::new();
    let mut problems = Vec::new();
    for (name, kind, implicit_tls, address) in wanted {
        let Some(address) = address else { continue };
        match bind(address) {
            Ok(socket) => bound.push(MailListener { name, kind, implicit_tls, socket }),
            Err(error) => problems.push(format!("{name}: cannot listen on {address}: {error}")),
        }
    }
    if problems.is_empty() { Ok(bound) } else { Err(problems) }
}

/// What accepting needs.
#[derive(Clone)]
pub struct Accepting {
    /// What sessions may use.
    pub services: Arc<Services>,
    /// What holds for every connection.
    pub conn: ConnSettings,
    /// Places for connections.
    pub admission: Admission,
    /// Counts the sessions that have to end before the process may.
    pub sessions: TaskTracker,
}

/// Accepts until the shutdown, then closes the listener.
pub async fn accept(listener: MailListener, accepting: Accepting) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = accepting.conn.shutdown.cancelled() => return,
            accepted = listener.socket.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => admit(&listener, &accepting, tcp, peer),
            Err(error) if is_of_peer(&error) => {}
            Err(error) => {
                tracing::warn!(listener = listener.name, %error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// Errors of one peer that is gone before it was accepted; the listener is fine.
fn is_of_peer(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn admit(listener: &MailListener, accepting: &Accepting, tcp: TcpStream, peer: SocketAddr) {
    // Answers are small and someone waits for each of them.
    let _ = tcp.set_nodelay(true);
    match accepting.admission.admit(peer.ip()) {
        Some(ticket) => {
            let (kind, implicit_tls) = (listener.kind, listener.implicit_tls);
            accepting.sessions.spawn(converse(kind, implicit_tls, tcp, peer, accepting.clone(), ticket));
        }
        None => {
            tracing::warn!(listener = listener.name, peer = %peer.ip(), "too many connections");
            if !listener.implicit_tls {
                let kind = listener.kind;
                accepting.sessions.spawn(refuse(kind, tcp));
            }
        }
    }
}

/// Says that there is no room, in the protocol's words.
async fn refuse(kind: Kind, mut tcp: TcpStream) {
    let busy: &[u8] = match kind {
        // RFC 5321 §3.8: 421 before anything else closes the channel.
        Kind::Mx | Kind::Submission => b"421 4.7.0 Too many connections, try again later\r\n",
        // RFC 9051 §7.1.5: BYE as the greeting.
        Kind::Imap => b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n",
        // RFC 3206 §4: SYS/TEMP.
        Kind::Pop3 => b"-ERR [SYS/TEMP] Too many connections, try again later\r\n",
    };
    let _ = tokio::time::timeout(BUSY_TIME, async {
        tcp.write_all(busy).await?;
        tcp.shutdown().await
    })
    .await;
}

async fn converse(
    kind: Kind,
    implicit_tls: bool,
    tcp: TcpStream,
    peer: SocketAddr,
    accepting: Accepting,
    ticket: Ticket,
) {
    let stream = match (implicit_tls, accepting.conn.tls.clone()) {
        (false, _) => Stream::Plain(tcp),
        (true, Some(tls)) => match handshake(tcp, tls).await {
            Some(stream) => stream,
            None => return,
        },
        (true, None) => return,
    };
    let conn = Conn::new(stream, peer, accepting.conn, Some(ticket));
    let services = accepting.services;
    match kind {
        Kind::Mx => smtp::serve(conn, services, smtp::Role::Mx).await,
        Kind::Submission => smtp::serve(conn, services, smtp::Role::Submission).await,
        Kind::Imap => imap::serve(conn, services).await,
        Kind::Pop3 => pop3::serve(conn, services).await,
    }
}

async fn handshake(tcp: TcpStream, tls: Arc<ServerConfig>) -> Option<Stream> {
    let handshake = Stream::Plain(tcp).into_tls(tls);
    match tokio::time::timeout(crate::model::bounds::TLS_HANDSHAKE_TIME, handshake).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}
