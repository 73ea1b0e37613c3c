//! The commands of RFC 4314 §3, without their folder.

use crate::model::RightsChange;

/// What is asked of a folder's access control list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AclCommand {
    /// GETACL
    Get,
    /// MYRIGHTS
    Mine,
    /// LISTRIGHTS identifier
    List(String),
    /// SETACL identifier rights
    Set(String, RightsChange),
    /// DELETEACL identifier
    Delete(String),
}
