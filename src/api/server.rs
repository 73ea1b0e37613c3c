//! The accept loop of HTTP: TLS or plain on one port, deadlines, bounds, drain.
//!
//! It knows no route. Invariant: a peer that is slow to speak, or to end a header, is
//! closed, and so is one that does not take its answer; a full descriptor table slows accepting, never spins.

use super::deadlines::{Overdue, Patience, Watch};
use crate::model::bounds;
use crate::net::{Admission, Stream};
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// How long accepting rests when the system has no descriptor left.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// The first octet of a TLS handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether TLS protects the connection.
    pub tls: bool,
}

/// What each connection needs.
#[derive(Clone)]
struct Serving {
    app: Router,
    tls: Arc<ServerConfig>,
    shutdown: CancellationToken,
    patience: Patience,
}

/// Serves until the shutdown, then lets what has started finish.
pub(super) async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, app: Router, shutdown: CancellationToken) {
    let mut tls = (*tls).clone();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let serving = Serving { app, tls: Arc::new(tls), shutdown: shutdown.clone(), patience: Patience::USUAL };
    let places = Admission::with_reserve(bounds::HTTP_CONNECTIONS, bounds::HTTP_CONNECTIONS_RESERVE);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, address)) => {
                // Beyond the bounds there is nothing to say that a client would understand: it may be TLS.
                let Some(place) = places.admit(address.ip()) else { continue };
                let serving = serving.clone();
                connections.spawn(async move {
                    converse(tcp, address, serving).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept HTTP connections");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn converse(tcp: TcpStream, address: SocketAddr, serving: Serving) {
    let _ = tcp.set_nodelay(true);
    let mut first = [0];
    let spoke = tokio::select! {
        () = serving.shutdown.cancelled() => return,
        spoke = timeout(bounds::HTTP_HEADER_TIME, tcp.peek(&mut first)) => spoke,
    };
    if !matches!(spoke, Ok(Ok(1))) {
        return;
    }
    let tls = first == [TLS_HANDSHAKE];
    let stream = Stream::Plain(tcp);
    let stream = if tls {
        match timeout(bounds::TLS_HANDSHAKE_TIME, stream.into_tls(serving.tls.clone())).await {
            Ok(Ok(stream)) => stream,
            _ => return,
        }
    } else {
        stream
    };
    answer(stream, Peer { address, tls }, serving).await;
}

async fn answer(stream: Stream, peer: Peer, serving: Serving) {
    // By what was negotiated, not by what the peer sends first: guessing has no deadline.
    let http2 = stream.alpn().is_some_and(|name| name == b"h2");
    if let Err(error) = answer_over(stream, http2, peer, serving).await {
        tracing::debug!(%error, "an HTTP connection ended");
    }
}

async fn answer_over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    http2: bool,
    peer: Peer,
    serving: Serving,
) -> Result<(), hyper::Error> {
    let Serving { app, shutdown, patience, .. } = serving;
    let watch = Watch::default();
    let watched = watch.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let turn = watched.begin();
        request.extensions_mut().insert(peer);
        let answer = app.clone().oneshot(request.map(Body::new));
        async move { answer.await.map(|answer| answer.map(|body| turn.hand_out(body))) }
    });
    if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(bounds::HTTP_HEADER_TIME))
            .keep_alive_timeout(bounds::HTTP_HEADER_TIME)
            .max_header_list_size(bounds::HTTP_HEADER_OCTETS as u32)
            .max_concurrent_streams(100);
        until_shutdown(builder.serve_connection(TokioIo::new(stream), service), &watch, patience, &shutdown).await
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(bounds::HTTP_HEADER_TIME)
            .max_buf_size(bounds::HTTP_HEADER_OCTETS);
        until_shutdown(builder.serve_connection(TokioIo::new(stream), service), &watch, patience, &shutdown).await
    }
}

/// Serves a connection until its peer has had its time. Once we shut down, or nothing was asked for long, what it has
/// begun is finished and nothing more is taken.
async fn until_shutdown<C: GracefulConnection>(
    connection: C,
    watch: &Watch,
    patience: Patience,
    shutdown: &CancellationToken,
) -> Result<(), C::Error> {
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        overdue = watch.overdue(patience) => if overdue == Overdue::Untaken { return Ok(()) },
        () = shutdown.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection => ended,
        _ = watch.overdue(Patience { idle: patience.untaken, ..patience }) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const LARGE: usize = 1024 * 1024;
    /// The preface and SETTINGS (RFC 9113 §3.4, §6.5), then `GET /` on stream 1 as header block of indexed fields.
    const GET_OVER_HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
        \x00\x00\x00\x04\x00\x00\x00\x00\x00\
        \x00\x00\x03\x01\x05\x00\x00\x00\x01\x82\x87\x84";

    fn serving(http2: bool, patience: Patience) -> (DuplexStream, tokio::task::JoinHandle<Result<(), hyper::Error>>) {
        let (client, server) = duplex(4096);
        let app = Router::new().route("/", get(|| async { vec![b'x'; LARGE] }));
        let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: true };
        let tls = ServerConfig::builder().with_no_client_auth();
        let tls = Arc::new(tls.with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new())));
        let serving = Serving { app, tls, shutdown: CancellationToken::new(), patience };
        (client, tokio::spawn(answer_over(server, http2, peer, serving)))
    }

    /// Waits until the server lets go of a client that writes this and then reads nothing.
    async fn let_go(http2: bool, patience: Patience, request: &[u8]) {
        let (mut client, server) = serving(http2, patience);
        client.write_all(request).await.unwrap();
        // Sooner than HTTP/2 lets go of who answers no ping: that is not what is looked at.
        let ended = timeout(bounds::HTTP_HEADER_TIME, server).await.expect("the connection is still held");
        let _ = ended.unwrap();
        drop(client);
    }

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn who_does_not_read_his_answer_is_let_go() {
        let patience = Patience { untaken: SHORT, idle: LONG };
        let_go(false, patience, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        let_go(true, patience, GET_OVER_HTTP2).await;
    }

    #[tokio::test]
    async fn a_connection_without_a_request_ends() {
        let preface = GET_OVER_HTTP2.get(..33).unwrap();
        let_go(true, Patience { untaken: SHORT, idle: SHORT }, preface).await;
    }

    #[tokio::test]
    async fn who_reads_gets_everything_although_nothing_more_is_asked() {
        let patience = Patience { untaken: Duration::from_secs(30), idle: SHORT };
        let (mut client, _server) = serving(false, patience);
        client.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").await.unwrap();
        let (mut octets, mut piece) = (0, vec![0; 4096]);
        loop {
            let read = client.read(&mut piece).await.unwrap();
            if read == 0 {
                break;
            }
            octets += read;
            tokio::task::yield_now().await;
        }
        assert!(octets > LARGE, "{octets}");
    }
}
