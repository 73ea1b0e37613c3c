//! The accept loop of HTTP: TLS or plain on one port, deadlines, bounds, drain.
//!
//! It knows no route. Invariant: a peer that is slow to speak, or to end a header, is
//! closed; a full descriptor table slows accepting, never spins.

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
}

/// Serves until the shutdown, then lets what has started finish.
pub(super) async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, app: Router, shutdown: CancellationToken) {
    let mut tls = (*tls).clone();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let serving = Serving { app, tls: Arc::new(tls), shutdown: shutdown.clone() };
    let places = Admission::new(bounds::HTTP_CONNECTIONS);
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
    let app = serving.app;
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        app.clone().oneshot(request.map(Body::new))
    });
    // By what was negotiated, not by what the peer sends first: guessing has no deadline.
    let ended = if stream.alpn().is_some_and(|name| name == b"h2") {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(bounds::HTTP_HEADER_TIME))
            .keep_alive_timeout(bounds::HTTP_HEADER_TIME)
            .max_header_list_size(bounds::HTTP_HEADER_OCTETS as u32)
            .max_concurrent_streams(100);
        until_shutdown(builder.serve_connection(TokioIo::new(stream), service), &serving.shutdown).await
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(bounds::HTTP_HEADER_TIME)
            .max_buf_size(bounds::HTTP_HEADER_OCTETS);
        until_shutdown(builder.serve_connection(TokioIo::new(stream), service), &serving.shutdown).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended");
    }
}

/// Serves a connection; once we shut down, what it has begun is finished and nothing more is taken.
async fn until_shutdown<C: GracefulConnection>(connection: C, shutdown: &CancellationToken) -> Result<(), C::Error> {
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}
