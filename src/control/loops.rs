//! Loops of addresses, refused when they would be written: where mail for a target goes from there, by aliases, details,
//! domains that stand for others and those who take what is for nobody else.
//!
//! It follows what would hold once the write is done. What becomes a loop later (by a mailbox that goes, while a
//! catch-all stays) is for delivery to end, which visits no address twice.

use super::{Error, FieldError, Result};
use crate::db::addresses::{self, Addressee};
use crate::db::domains::DomainRow;
use crate::db::{Tx, aliases, domains};
use crate::model::{DomainName, EmailAddress, Meanings, bounds};
use std::collections::{HashMap, HashSet};

/// What is about to be written.
enum Written<'a> {
    /// An alias of this address.
    Alias(&'a EmailAddress),
    /// Who takes mail of a domain that is for nobody else.
    Taker(&'a EmailAddress),
}

/// A walk along the targets of what is about to be written.
pub(super) struct Trail<'a> {
    written: Written<'a>,
    /// Domains by name; each with the one that decides about its addresses.
    domains: HashMap<DomainName, Option<Domain>>,
    /// The domain that is written, as it will be.
    changed: Option<DomainRow>,
}

#[derive(Clone)]
struct Domain {
    stands_for: Option<DomainName>,
    decides: DomainRow,
}

/// Where an address leads.
enum Step {
    /// Back to what is being written.
    Back,
    /// To these addresses.
    On(Vec<EmailAddress>),
    /// To a mailbox, another server, or nowhere.
    End,
}

impl<'a> Trail<'a> {
    /// Of an alias.
    pub fn of_alias(address: &'a EmailAddress) -> Self {
        Self { written: Written::Alias(address), domains: HashMap::new(), changed: None }
    }

    /// Of who takes the rest of a domain's mail, or that of its reserved addresses; `domain` is as it will be.
    pub fn of_taker(domain: DomainRow, to: &'a EmailAddress) -> Self {
        Self { written: Written::Taker(to), domains: HashMap::new(), changed: Some(domain) }
    }

    /// Refuses targets from which mail would come back, or go too deep; `pointer` says where they stand.
    pub async fn follow(mut self, tx: &mut Tx, pointer: &str, targets: &[EmailAddress]) -> Result<()> {
        let mut seen = HashSet::new();
        let mut level: Vec<(usize, EmailAddress)> = targets.iter().cloned().enumerate().collect();
        for _ in 0..=bounds::ALIAS_DEPTH {
            let mut next = Vec::new();
            for (index, target) in level {
                if !seen.insert(target.key().to_owned()) {
                    continue;
                }
                if seen.len() > bounds::ALIAS_FAN_OUT {
                    let detail = format!("may come to at most {} addresses", bounds::ALIAS_FAN_OUT);
                    return Err(Error::field(pointer, "too_many", detail));
                }
                match self.step(tx, &target).await? {
                    Step::Back => return Err(self.refused(pointer, index)),
                    Step::On(more) => next.extend(more.into_iter().map(|target| (index, target))),
                    Step::End => {}
                }
            }
            if next.is_empty() {
                return Ok(());
            }
            level = next;
        }
        let detail = format!("aliases may point to aliases at most {} deep", bounds::ALIAS_DEPTH);
        Err(Error::field(pointer, "too_deep", detail))
    }

    fn refused(&self, pointer: &str, index: usize) -> Error {
        let (pointer, detail) = match self.written {
            Written::Alias(_) => (format!("{pointer}/{index}"), "leads back to the alias itself"),
            Written::Taker(_) => (pointer.to_owned(), "leads back to the domain's unknown addresses"),
        };
        Error::Invalid(vec![FieldError::new(pointer, "loop", detail)])
    }

    /// The same order as in which delivery looks.
    async fn step(&mut self, tx: &mut Tx, target: &EmailAddress) -> Result<Step> {
        let Some(domain) = self.domain(tx, target.domain()).await? else { return Ok(Step::End) };
        let meanings = Meanings::of(target, domain.stands_for.as_ref(), &domain.decides.separator);
        let found = addresses::find_first(tx, meanings.keys()).await?;
        if let Written::Alias(alias) = self.written
            && let Some(written) = meanings.keys().iter().position(|key| *key == alias.key())
            && found.is_none_or(|(at, _)| written <= at)
        {
            return Ok(Step::Back);
        }
        match found {
            Some((_, Addressee::Mailbox(_))) => Ok(Step::End),
            // One that has expired may be given more time, and nobody would look for loops then.
            Some((_, Addressee::Alias(id))) => {
                Ok(aliases::find(tx, id).await?.map_or(Step::End, |alias| Step::On(alias.targets)))
            }
            None => Ok(self.taken(&domain.decides, meanings.is_reserved())),
        }
    }

    /// Who takes the mail of an address that is for nobody else.
    fn taken(&self, domain: &DomainRow, reserved: bool) -> Step {
        let named = domain.reserved_to.as_ref().filter(|_| reserved);
        let Some(to) = named.or(domain.catch_all.as_ref()) else { return Step::End };
        let is_changed = self.changed.as_ref().is_some_and(|changed| changed.id == domain.id);
        match self.written {
            Written::Taker(written) if is_changed && written == to => Step::Back,
            _ => Step::On(vec![to.clone()]),
        }
    }

    async fn domain(&mut self, tx: &mut Tx, name: &DomainName) -> Result<Option<Domain>> {
        if let Some(known) = self.domains.get(name) {
            return Ok(known.clone());
        }
        let own = match &self.changed {
            Some(changed) if changed.name == *name => Some(changed.clone()),
            _ => domains::find_by_name(tx, name).await?,
        };
        let found = match own {
            Some(own) => Some(self.decider(tx, own).await?),
            None => None,
        };
        self.domains.insert(name.clone(), found.clone());
        Ok(found)
    }

    async fn decider(&self, tx: &mut Tx, own: DomainRow) -> Result<Domain> {
        let Some(other) = own.alias_of else { return Ok(Domain { stands_for: None, decides: own }) };
        let decides = match &self.changed {
            Some(changed) if changed.id == other => Some(changed.clone()),
            _ => domains::find(tx, other).await?,
        };
        let Some(decides) = decides else { return Ok(Domain { stands_for: None, decides: own }) };
        Ok(Domain { stands_for: Some(decides.name.clone()), decides })
    }
}
