//! Single lines that continue a command: SASL responses and the DONE of IDLE.

use super::peer::Peer;
use super::reply::Stop;
use super::wire::Wire;
use crate::model::bounds;

/// The next line if it has come.
pub(super) fn take(peer: &mut Peer, wire: &mut Wire) -> Result<Option<Vec<u8>>, Stop> {
    wire.next_line(peer.conn.input()).map_err(Stop::Bye)
}

/// Waits for the next line, before login.
pub(super) async fn next(peer: &mut Peer, wire: &mut Wire) -> Result<Vec<u8>, Stop> {
    loop {
        if let Some(line) = take(peer, wire)? {
            return Ok(line);
        }
        peer.conn.read_rest(bounds::LOGIN_TIME.saturating_sub(peer.conn.age())).await?;
    }
}
