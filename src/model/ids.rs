//! Typed ids: opaque and stable, so that a rename breaks nobody's link.
//!
//! In the database an id is a positive `i64`; at the edges it is text such as
//! `mbx_0c3kz…`: a prefix that names the kind and 13 digits of Crockford's base 32.
//! Invariant: an id of one kind never parses as another kind.

use std::fmt;
use std::str::FromStr;

/// Crockford's base 32: no I, L, O, U, so that ids survive being read aloud.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Text that is no id of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a valid id")]
pub struct InvalidId;

fn encode(value: i64) -> [u8; 13] {
    let mut out = [b'0'; 13];
    let mut rest = value.unsigned_abs();
    for slot in out.iter_mut().rev() {
        *slot = DIGITS[(rest & 31) as usize];
        rest >>= 5;
    }
    out
}

fn decode(text: &str) -> Result<i64, InvalidId> {
    if text.len() != 13 {
        return Err(InvalidId);
    }
    let mut value: u64 = 0;
    for byte in text.bytes() {
        let digit = DIGITS.iter().position(|d| *d == byte).ok_or(InvalidId)? as u64;
        value = value.checked_mul(32).and_then(|v| v.checked_add(digit)).ok_or(InvalidId)?;
    }
    i64::try_from(value).ok().filter(|v| *v > 0).ok_or(InvalidId)
}

macro_rules! id {
    ($(#[doc = $doc:literal])* $name:ident, $prefix:literal) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        // By hand: the derive takes no pattern that is put together.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some(concat!($($doc),*).trim()))
                    .pattern(Some(concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{12}$")))
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
        }

        impl $name {
            /// What the textual form of this kind of id begins with.
            pub const PREFIX: &'static str = concat!($prefix, "_");
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Self::PREFIX)?;
                f.write_str(std::str::from_utf8(&encode(self.0)).unwrap_or_default())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                decode(text.strip_prefix(Self::PREFIX).ok_or(InvalidId)?).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/// A reseller or a customer, or the operator at the root.
    TenantId, "ten");
id!(/// What an operator or reseller sells: limits and defaults.
    PlanId, "pln");
id!(/// A person who signs in to the API.
    UserId, "usr");
id!(/// An API key.
    KeyId, "key");
id!(/// A mail domain.
    DomainId, "dom");
id!(/// A mailbox.
    MailboxId, "mbx");
id!(/// An alias.
    AliasId, "als");
id!(/// A suspension of a mailbox or a domain.
    SuspensionId, "sus");
id!(/// A password of one program, for a mailbox.
    AppPasswordId, "apw");
id!(/// A sign-in to the API.
    SignInId, "sgn");
id!(/// An invitation by mail.
    InvitationId, "inv");
id!(/// A live mail session on one node.
    SessionId, "ses");
id!(/// A process that serves this configuration.
    NodeId, "nod");
id!(/// A webhook.
    WebhookId, "whk");
id!(/// An attempt to deliver a revision to a webhook.
    DeliveryId, "dlv");
id!(/// Work of many rows: an import and the like.
    JobId, "job");
id!(/// A change that begins or ends by itself.
    ScheduledChangeId, "sch");
id!(/// A folder of a mailbox (RFC 9051 calls it a mailbox); never leaves the store as text except in OBJECTID.
    FolderId, "fld");
id!(/// A stored message; never reused.
    MessageId, "msg");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_do_not_mix() {
        for value in [1, 31, 32, 1 << 40, i64::MAX] {
            let text = MailboxId(value).to_string();
            assert_eq!(text.parse(), Ok(MailboxId(value)));
            assert_eq!(text.parse::<DomainId>(), Err(InvalidId));
        }
        for bad in ["", "mbx_", "mbx_0", "mbx_0000000000000", "mbx_zzzzzzzzzzzzz", "mbx_000000000000O"] {
            assert_eq!(bad.parse::<MailboxId>(), Err(InvalidId), "{bad}");
        }
    }
}
