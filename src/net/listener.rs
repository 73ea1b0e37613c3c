//! Binding listeners. Accept loops belong to the edges that know what to say when full.

use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Pending connections the kernel keeps for one listener.
const BACKLOG: i32 = 1024;

/// Binds a TCP listener; IPv6 addresses are bound for IPv6 alone, so that `0.0.0.0` and
/// `[::]` can stand side by side.
///
/// # Errors
/// Whatever the system says: the address is in use, not ours, or needs a privilege.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for the last process's connections to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
