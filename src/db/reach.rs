//! Parts that the lists of several resources share: who is below whom, what protocols come to, suspensions in force.
//!
//! Texts alone; aliases are `m` a mailbox, `d` its domain, `t` its tenant, `t2` and `t3` those above, `p`, `p2` and `p3`
//! their plans. Invariant: what [`protocol_on`] says is what [`super::effective::resolve`] says.

/// A domain's tenants further above, and the plans of all three: tenants stand three deep.
pub(super) const LEVELS: &str = "LEFT JOIN plans p ON p.id = t.plan_id \
     LEFT JOIN tenants t2 ON t2.id = t.parent_id LEFT JOIN plans p2 ON p2.id = t2.plan_id \
     LEFT JOIN tenants t3 ON t3.id = t2.parent_id LEFT JOIN plans p3 ON p3.id = t3.plan_id";

/// Whether a suspension of some scopes, of what a condition names, is in force at `?`.
macro_rules! suspended {
    ($of:literal, $scopes:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM suspensions s WHERE ",
            $of,
            " AND s.scope IN (",
            $scopes,
            ") AND (s.until_at IS NULL OR s.until_at > ?))"
        )
    };
}

/// Whether what the levels say, nearest first, comes to a protocol being on, and every plan allows it. `near` is what
/// stands before the tenant.
macro_rules! said_on {
    ($protocol:literal, $near:expr) => {
        concat!(
            "COALESCE(",
            $near,
            " NULLIF(t.",
            $protocol,
            ", 'inherit'), NULLIF(p.",
            $protocol,
            ", 'inherit'), NULLIF(t2.",
            $protocol,
            ", 'inherit'), NULLIF(p2.",
            $protocol,
            ", 'inherit'), NULLIF(t3.",
            $protocol,
            ", 'inherit'), NULLIF(p3.",
            $protocol,
            ", 'inherit'), 'enabled') = 'enabled'",
            " AND (COALESCE(p.allowed, '') = '' OR p.allowed LIKE '%\"",
            $protocol,
            "\"%')",
            " AND (COALESCE(p2.allowed, '') = '' OR p2.allowed LIKE '%\"",
            $protocol,
            "\"%')",
            " AND (COALESCE(p3.allowed, '') = '' OR p3.allowed LIKE '%\"",
            $protocol,
            "\"%')"
        )
    };
}

/// Whether a protocol may be used with a mailbox now; three times the time.
macro_rules! mailbox_on {
    ($protocol:literal, $scopes:literal) => {
        concat!(
            "(",
            $crate::db::reach::said_on!(
                $protocol,
                concat!("NULLIF(m.", $protocol, ", 'inherit'), NULLIF(d.", $protocol, ", 'inherit'),")
            ),
            " AND (m.expires_at IS NULL OR m.expires_at > ?) AND NOT ",
            $crate::db::reach::suspended!("s.mailbox_id = m.id", $scopes),
            " AND NOT ",
            $crate::db::reach::suspended!("s.domain_id = m.domain_id", $scopes),
            ")"
        )
    };
}

/// Whether a protocol may be used now with mailboxes of a domain that say nothing; once the time.
macro_rules! domain_on {
    ($protocol:literal, $scopes:literal) => {
        concat!(
            "(",
            $crate::db::reach::said_on!($protocol, concat!("NULLIF(d.", $protocol, ", 'inherit'),")),
            " AND NOT ",
            $crate::db::reach::suspended!("s.domain_id = d.id", $scopes),
            ")"
        )
    };
}

pub(super) use {domain_on, mailbox_on, said_on, suspended};
