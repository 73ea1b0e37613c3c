//! Connecting from chosen loopback addresses: the server bounds connections per network,
//! and 127.0.0.0/8 has room for as many networks as a test needs.

use super::PATIENCE;
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

/// Connects from the loopback address with this number (0 is 127.0.0.1).
pub fn dial(to: SocketAddr, network: u16) -> TcpStream {
    let [high, low] = network.to_be_bytes();
    let from = SocketAddr::from((Ipv4Addr::new(127, 1, high, low), 0));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    if network > 0 {
        socket.bind(&from.into()).expect("bind to a loopback address");
    }
    socket.connect(&to.into()).unwrap_or_else(|error| panic!("connect to {to}: {error}"));
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    stream.set_write_timeout(Some(PATIENCE)).expect("a deadline");
    stream.set_nodelay(true).expect("no delay");
    stream
}
