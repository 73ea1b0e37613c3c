//! Who may look at the nodes: the operator, whose machines they are.

use super::{Caller, Error, Result};
use crate::model::Role;

/// Refuses who may not see nodes.
pub fn may_see(caller: &Caller) -> Result<()> {
    match caller.role {
        Role::Operator => Ok(()),
        _ => Err(Error::NotAllowed("only the operator sees the nodes")),
    }
}
