//! A message's octets on their way in, once for every tenant that will store it.
//!
//! Large messages are on disk, not here. Invariant: all copies have the same octets.

use crate::model::ids::TenantId;
use crate::store::{Result, StagedBody, Stager, Store};

/// A message being taken in.
pub struct Intake {
    stagers: Vec<(TenantId, Stager)>,
}

impl Intake {
    /// Starts to take in a message for mailboxes of these tenants.
    pub fn new(store: &Store, tenants: &[TenantId]) -> Self {
        Self { stagers: tenants.iter().map(|tenant| (*tenant, store.stage(*tenant))).collect() }
    }

    /// Takes the next octets.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn write(&mut self, octets: &[u8]) -> Result<()> {
        for (_, stager) in &mut self.stagers {
            stager.write(octets).await?;
        }
        Ok(())
    }

    /// Ends it: ready to be stored.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn finish(self) -> Result<Staged> {
        let mut bodies = Vec::with_capacity(self.stagers.len());
        for (tenant, stager) in self.stagers {
            bodies.push((tenant, stager.finish().await?));
        }
        Ok(Staged { bodies })
    }
}

/// A message that is ready to be stored; dropped, it leaves nothing behind.
pub struct Staged {
    bodies: Vec<(TenantId, StagedBody)>,
}

impl Staged {
    /// Octets of the message, before the fields of each recipient.
    pub fn size(&self) -> u64 {
        self.bodies.first().map_or(0, |(_, body)| body.size)
    }

    pub(super) fn into_bodies(self) -> Vec<(TenantId, StagedBody)> {
        self.bodies
    }
}
