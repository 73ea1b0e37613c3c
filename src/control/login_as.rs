//! Support that acts for a user or mailbox owner below: a sign-in of minutes that says by whom and why.
//!
//! Everything done with it is in the log under both names, and its owner sees and may end it. Invariant: it is never
//! refreshed, and nothing made with it opens anything later.

use super::change::view;
use super::passwords::check_name;
use super::sign_in::{Origin, SignIn, SignedIn};
use super::sign_ins::{Acting, Of};
use super::{Caller, Control, Error, Record, Result, mailboxes, users};
use crate::model::Revision;
use crate::model::ids::SignInId;

/// What the log says of it.
#[derive(serde::Serialize)]
struct Begun {
    sign_in: Option<SignInId>,
    #[serde(flatten)]
    acting: Acting,
}

/// Begins to act for somebody below.
pub async fn begin(
    control: &Control,
    sign_in: &SignIn,
    caller: &Caller,
    of: Of,
    (reason, from): (String, Origin),
) -> Result<(SignedIn, Revision)> {
    caller.may_administer()?;
    // Whoever is narrowed would be less so as somebody else.
    caller.may_make_lasting()?;
    if reason.trim().is_empty() {
        return Err(Error::field("/reason", "required", "must say why"));
    }
    if let Some(error) = check_name("/reason", &reason) {
        return Err(Error::Invalid(vec![error]));
    }
    let mut change = control.begin(caller, "login_as").await?;
    let path = match of {
        Of::User(id) => users::reach(change.tx(), caller, id).await?.path,
        Of::Mailbox(id) => {
            let row = mailboxes::reach(change.tx(), caller, id).await?;
            mailboxes::check_there(&row)?;
            row.path
        }
    };
    let signed_in = sign_in.act_as(change.tx(), caller, &of.to_string(), &reason, &from).await?;
    let acting = Acting { by: caller.id.to_string(), reason };
    let after = view(&Begun { sign_in: signed_in.caller.sign_in, acting });
    let record = Record { object: of.to_string(), path, before: None, after, touches: Vec::new() };
    Ok((signed_in, change.commit(record).await?))
}
