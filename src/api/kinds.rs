//! Every kind of problem in one table: its code, status, title and meaning.
//!
//! A problem's `type` leads to the page that is made of this table. Invariant: a problem
//! without an entry here cannot be made.

use axum::response::Html;

/// A kind of problem.
#[derive(Debug)]
pub struct Kind {
    /// A stable word for programs.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The kind in words.
    pub title: &'static str,
    /// What it means, and what to do.
    meaning: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $code:literal, $status:literal, $title:literal, $meaning:literal;)+) => {
        $(#[doc = $title] pub const $name: Kind = Kind { code: $code, status: $status, title: $title, meaning: $meaning };)+
        /// All kinds, by status.
        const ALL: &[Kind] = &[$($name,)+];
    };
}

kinds! {
    MALFORMED = "malformed", 400, "Malformed request", "The body is no JSON. Nothing was done.";
    UNAUTHENTICATED = "unauthenticated", 401, "Not signed in", "There is no access token or API key, or it is unknown, expired, revoked or deleted. Sign in, refresh, or use another key.";
    SIGN_IN_REFUSED = "sign_in_refused", 401, "Sign-in refused", "The name or the password is wrong, or the refresh token is no longer good. Which of them is not told.";
    NOT_ALLOWED = "not_allowed", 403, "Not allowed", "The caller may see the object but not do this to it: its role does not allow it, the key may only read, or a level above decides.";
    PASSWORD_CHANGE_REQUIRED = "password_change_required", 403, "The password must be changed first", "Whoever calls must change the password before anything else: POST /v1/me/password with the old and the new one. Signing out is possible, too.";
    TLS_REQUIRED = "tls_required", 403, "TLS is required", "The request came without TLS from another machine. Use https:// on the same port.";
    NOT_FOUND = "not_found", 404, "Not found", "There is no such object or path, or it belongs to a tenant that the caller does not reach: the two cannot be told apart.";
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "Method not allowed", "The path exists, with other methods.";
    ALREADY_EXISTS = "already_exists", 409, "Taken", "Another object has this name or address.";
    LIMIT_REACHED = "limit_reached", 409, "Limit reached", "A plan has no room for it; limit says which: name, used, max, and layer, the kind of tenant whose plan it is. used and max are null where they are not yours to know.";
    IN_USE = "in_use", 409, "Still in use", "Other objects stand against it; detail says which. Remove them first.";
    CONFLICT = "conflict", 409, "Changed since the revision", "The revision cannot be undone as a whole: errors names the fields that were changed since, each with its pointer. Nothing was done.";
    NOT_REVERTIBLE = "not_revertible", 409, "Cannot be undone", "What it takes to undo the revision is kept nowhere (a secret), or the change has no opposite; detail says which. Nothing was done.";
    RUNNING = "running", 409, "Still running", "A request with the same Idempotency-Key is being done right now. Ask again in a moment.";
    HISTORY_DROPPED = "history_dropped", 410, "No longer in the log", "Revisions so old were exported to a file and dropped. detail says where the log begins now.";
    STALE = "stale", 412, "Changed since it was read", "The object is no longer at the ETag in If-Match. Read it again and decide anew.";
    TOO_LARGE = "too_large", 413, "Too large", "The body has more octets than a request may have.";
    MEDIA_TYPE = "media_type", 415, "Wrong media type", "The body must be JSON and say so: Content-Type: application/json.";
    INVALID = "invalid", 422, "Wrong fields", "Fields are wrong; errors names them, each with pointer, code and detail. Nothing was done.";
    RATE_LIMITED = "rate_limited", 429, "Too many requests", "More requests came from this caller, or from this network without a caller, than are answered. RateLimit-Policy says how many are, RateLimit how many are left, Retry-After when to go on. Nothing was done.";
    THROTTLED = "throttled", 429, "Too many attempts", "Too many failed sign-ins from this network or for this name. Wait; Retry-After says how long at least.";
    TOO_MANY_STREAMS = "too_many_streams", 429, "Too many streams", "As many streams of events are open as may be, in all or of this caller. Close one, or ask /v1/revisions?after=.";
    INTERNAL = "internal", 500, "Server error", "A defect of the server. The log has the reason under the X-Request-Id of the answer.";
    UNAVAILABLE = "unavailable", 503, "Not now", "The server drains, is too busy, or its database does not answer. Try again after Retry-After.";
}

/// The titles of the kinds that have this status.
pub(super) fn titles(status: u16) -> String {
    let titles: Vec<&str> = ALL.iter().filter(|kind| kind.status == status).map(|kind| kind.title).collect();
    titles.join("; ")
}

/// The page that every problem's `type` leads to.
pub(super) async fn page() -> Html<String> {
    let mut rows = String::new();
    for Kind { code, status, title, meaning } in ALL {
        rows.push_str(&format!(
            "<section id=\"{code}\"><h2><code>{code}</code> {status} {title}</h2><p>{meaning}</p></section>\n"
        ));
    }
    Html(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Problems of the Facteur API</title>\
         <style>body{{font-family:sans-serif;max-width:45em;margin:2em auto;padding:0 1em;line-height:1.5}}h2{{font-size:1.1em}}</style>\
         </head><body>\n<h1>Problems</h1>\n<p>Every error is <code>application/problem+json</code> (RFC 9457) with one of these codes.</p>\n\
         {rows}</body></html>\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_words_of_their_own_and_in_order() {
        assert!(ALL.is_sorted_by_key(|kind| kind.status));
        for (at, kind) in ALL.iter().enumerate() {
            assert!(kind.code.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_'), "{}", kind.code);
            assert!(ALL.iter().skip(at + 1).all(|other| other.code != kind.code), "{} is there twice", kind.code);
            assert!((400..600).contains(&kind.status));
        }
    }
}
