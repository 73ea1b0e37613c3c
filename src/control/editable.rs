//! Which fields of an object a caller may set: what `editable` shows of it, and what a change of it is held to.
//!
//! Each resource says it once, in [`Writable::may_set`]. Invariant: reading and writing ask the same rule, so a field
//! that is shown as editable is never refused for who asks, and one that is not shown always is.

use super::{Caller, Result};
use crate::model::Resource;

/// The fields that a change has, each with whether this one says something about it.
pub(super) type Named = Vec<(&'static str, bool)>;

/// A change whose fields have names: those of the request's body.
pub(super) trait Patch: Default {
    /// All of them.
    fn named(&self) -> Named;
}

/// What may be changed field by field.
pub(super) trait Writable {
    /// What changes are made of.
    type Patch: Patch;
    /// What a caller has to be for.
    const RESOURCE: Resource;

    /// Why the caller may not set a field, if so.
    fn may_set(&self, caller: &Caller, field: &str) -> Result<()>;
}

/// The fields that the caller may set.
pub(super) fn editable<W: Writable>(caller: &Caller, object: &W) -> Vec<&'static str> {
    if caller.may_use(W::RESOURCE, true).is_err() {
        return Vec::new();
    }
    let fields = W::Patch::default().named().into_iter().map(|(field, _)| field);
    fields.filter(|field| object.may_set(caller, field).is_ok()).collect()
}

/// Refuses a change of what the caller may not set.
pub(super) fn check<W: Writable>(caller: &Caller, object: &W, patch: &W::Patch) -> Result<()> {
    let mut said = patch.named().into_iter().filter(|(_, said)| *said);
    said.try_for_each(|(field, _)| object.may_set(caller, field))
}
