//! What a key may be used for: `mailboxes:read`, `domains:write`, `*:read`.
//!
//! Every operation of the API belongs to one resource, and a user's duty is a set of scopes like a key's. Invariant:
//! writing implies reading.

use super::access::words;
use std::fmt;
use std::str::FromStr;

/// What operations are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Tenants and what they may have.
    Tenants,
    /// Plans.
    Plans,
    /// Users and their sign-ins.
    Users,
    /// API keys.
    Keys,
    /// Invitations of users and mailboxes' owners.
    Invitations,
    /// Domains.
    Domains,
    /// Mailboxes, their passwords, quotas and usage.
    Mailboxes,
    /// Aliases.
    Aliases,
    /// Protocols on every level.
    Protocols,
    /// Suspensions.
    Suspensions,
    /// Changes that wait for their time; what they do needs its own scope as well.
    ScheduledChanges,
    /// Live sessions and past logins.
    Sessions,
    /// Revisions and the feed of them.
    Revisions,
    /// Webhooks, which tell of revisions.
    Webhooks,
    /// Jobs: imports and their results.
    Jobs,
    /// Nodes.
    Nodes,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Tenants,
        Self::Plans,
        Self::Users,
        Self::Keys,
        Self::Invitations,
        Self::Domains,
        Self::Mailboxes,
        Self::Aliases,
        Self::Protocols,
        Self::Suspensions,
        Self::ScheduledChanges,
        Self::Sessions,
        Self::Revisions,
        Self::Webhooks,
        Self::Jobs,
        Self::Nodes,
    ];

    /// Its word in scopes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenants => "tenants",
            Self::Plans => "plans",
            Self::Users => "users",
            Self::Keys => "keys",
            Self::Invitations => "invitations",
            Self::Domains => "domains",
            Self::Mailboxes => "mailboxes",
            Self::Aliases => "aliases",
            Self::Protocols => "protocols",
            Self::Suspensions => "suspensions",
            Self::ScheduledChanges => "scheduled-changes",
            Self::Sessions => "sessions",
            Self::Revisions => "revisions",
            Self::Webhooks => "webhooks",
            Self::Jobs => "jobs",
            Self::Nodes => "nodes",
        }
    }
}

/// Text that is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a resource or *, a colon, and read or write: mailboxes:read")]
pub struct InvalidScope;

/// A resource and what may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// The resource; none is all.
    resource: Option<Resource>,
    write: bool,
}

impl Scope {
    /// Reading one resource.
    pub const fn reading(resource: Resource) -> Self {
        Self { resource: Some(resource), write: false }
    }

    /// What an operation needs.
    pub const fn of(resource: Resource, write: bool) -> Self {
        Self { resource: Some(resource), write }
    }

    /// Whether it lets everything be done that another one does.
    pub fn covers(&self, other: &Self) -> bool {
        let resource = self.resource.is_none() || self.resource == other.resource;
        resource && (self.write || !other.write)
    }
}

words!(/// What a user is there for; within its role, and never more than that.
Duty {
    /// Whatever its role may.
    Admin = "admin",
    /// Looks at everything and changes nothing.
    ReadOnly = "read_only",
    /// Helps mailbox users: looks at objects, sessions and the log, and may end sessions.
    Support = "support",
});

impl Duty {
    /// What it may be used for; none is everything.
    pub fn scopes(self) -> Option<Vec<Scope>> {
        match self {
            Self::Admin => None,
            Self::ReadOnly => Some(vec![Scope { resource: None, write: false }]),
            Self::Support => Some(Resource::ALL.into_iter().filter_map(for_support).collect()),
        }
    }
}

/// What support may do with a resource: each new one has to say so here.
fn for_support(resource: Resource) -> Option<Scope> {
    use Resource as R;
    match resource {
        R::Sessions => Some(Scope::of(resource, true)),
        R::Tenants | R::Plans | R::Users | R::Domains | R::Mailboxes | R::Aliases => Some(Scope::reading(resource)),
        R::Protocols | R::Suspensions | R::ScheduledChanges | R::Revisions | R::Invitations => {
            Some(Scope::reading(resource))
        }
        // A webhook's address may be a secret, and a job's rows may be anything; the others are for who runs the place.
        R::Keys | R::Webhooks | R::Jobs | R::Nodes => None,
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let (resource, action) = text.split_once(':').ok_or(InvalidScope)?;
        let resource = match resource {
            "*" => None,
            word => Some(Resource::ALL.into_iter().find(|known| known.as_str() == word).ok_or(InvalidScope)?),
        };
        let write = match action {
            "read" => false,
            "write" => true,
            _ => return Err(InvalidScope),
        };
        Ok(Self { resource, write })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = if self.write { "write" } else { "read" };
        write!(f, "{}:{action}", self.resource.map_or("*", Resource::as_str))
    }
}

impl serde::Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_implies_reading_and_a_star_is_all() {
        let scope = |text: &str| text.parse::<Scope>().unwrap();
        let table = [("mailboxes:read", true, false), ("mailboxes:write", true, true), ("*:read", true, false)];
        for (text, read, write) in table {
            assert_eq!(scope(text).covers(&Scope::of(Resource::Mailboxes, false)), read);
            assert_eq!(scope(text).covers(&Scope::of(Resource::Mailboxes, true)), write);
            assert_eq!(scope(text).to_string(), text);
        }
        let may =
            |duty: Duty, text: &str| duty.scopes().is_none_or(|all| all.iter().any(|own| own.covers(&scope(text))));
        assert!(may(Duty::Admin, "*:write") && may(Duty::ReadOnly, "keys:read") && !may(Duty::ReadOnly, "jobs:write"));
        assert!(may(Duty::Support, "sessions:write") && !may(Duty::Support, "mailboxes:write"));
        assert!(!may(Duty::Support, "webhooks:read") && !may(Duty::Support, "*:read"));
        assert!(!scope("mailboxes:write").covers(&Scope::reading(Resource::Domains)));
        assert!(scope("*:write").covers(&scope("keys:write")) && scope("keys:write").covers(&scope("keys:read")));
        assert!(!scope("keys:read").covers(&scope("keys:write")) && !scope("keys:write").covers(&scope("*:read")));
        for bad in ["", "mailboxes", "mailboxes:", ":read", "Mailboxes:read", "mailboxes:delete", "letters:read"] {
            assert_eq!(bad.parse::<Scope>(), Err(InvalidScope), "{bad}");
        }
    }
}
