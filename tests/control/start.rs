//! Tables, the first operator, and starting again.

use crate::bed::{ALL, Bed, PASSWORD, PEER, clear, fresh_folder, fresh_postgres, not_found};
use facteur::auth::Passwords;
use facteur::clock::Clock;
use facteur::control::users::UserFilter;
use facteur::control::{Control, bootstrap, revisions, users};
use facteur::db::{Db, DbError};
use facteur::model::{Duty, TenantKind};
use std::sync::Arc;

fn control(db: Db) -> Control {
    Control::new(db, Clock::system(), Passwords::new(), Arc::default())
}

pub async fn opening_again_changes_nothing(bed: Bed) {
    bed.domain(&bed.operator, "again.example").await;
    let again = control(bed.open_again().await.unwrap());
    assert_eq!(revisions::newest(&again).await.unwrap(), revisions::newest(&bed.control).await.unwrap());
    let seen = revisions::list(&again, &bed.operator, None, None, 100).await.unwrap();
    assert_eq!(seen.0.len(), 2, "the first operator and the domain");
    assert!(again.db().answers().await);
}

pub async fn a_newer_programs_database_is_left_alone(bed: Bed) {
    let mut tx = bed.db.write().await.unwrap();
    tx.execute("INSERT INTO schema_control (version) VALUES (1000)", &[]).await.unwrap();
    tx.commit().await.unwrap();
    let refused = bed.open_again().await.err();
    assert!(matches!(refused, Some(DbError::Newer { found: 1000, .. })), "{refused:?}");
    assert!(bed.db.answers().await, "who has it open goes on");
}

pub async fn the_first_operator_is_made_once(bed: Bed) {
    assert_eq!(bootstrap::run(&bed.control, None).await.unwrap(), None);
    assert_eq!(bootstrap::run(&bed.control, Some("another password")).await.unwrap(), None);
    assert!(bed.sign_in.password("operator", "another password", PEER).await.is_err());
    assert_eq!(users::list(&bed.control, &bed.operator, &UserFilter::default(), ALL).await.unwrap().items.len(), 1);
}

/// A generated password is answered by the one that made the operator, and signs in.
pub async fn nodes_that_start_at_once_make_one_operator() {
    let url = fresh_postgres().await;
    let start = || async {
        let control = control(Db::open_postgres(&url).await.unwrap());
        let password = bootstrap::run(&control, None).await.unwrap();
        (control, password)
    };
    let nodes = tokio::join!(start(), start(), start());
    let (_folder, folder) = fresh_folder();
    let seal = facteur::auth::seal::Seal::open(&folder).unwrap();
    let node = nodes.0.0;
    let passwords: Vec<String> = [nodes.0.1, nodes.1.1, nodes.2.1].into_iter().flatten().collect();
    assert_eq!(passwords.len(), 1);
    let sign_in = facteur::control::sign_in::SignIn::open(&node, &seal, Default::default()).await.unwrap();
    let caller = sign_in.password("operator", &passwords[0], PEER).await.unwrap().caller;
    assert_eq!(users::list(&node, &caller, &UserFilter::default(), ALL).await.unwrap().items.len(), 1);
}

pub async fn a_lost_operators_password_is_given_anew(bed: Bed) {
    let control = &bed.control;
    let before = bed.sign_in.password("operator", PASSWORD, PEER).await.unwrap();
    let (_, reseller) = bed.tenant(&bed.operator, TenantKind::Reseller, "r").await;
    users::create(control, &reseller, None, "robert", clear(PASSWORD), Duty::Admin).await.unwrap();
    for name in ["robert", "nobody", ""] {
        not_found(bootstrap::reset_password(control, name).await);
    }
    assert_eq!(bootstrap::operators(control).await.unwrap(), ["operator"]);
    let password = bootstrap::reset_password(control, "Operator").await.unwrap();
    assert!(bed.sign_in.recognise(&before.access_token).await.unwrap().is_none());
    assert!(bed.sign_in.refresh(&before.refresh_token).await.is_err());
    assert!(bed.sign_in.password("operator", PASSWORD, PEER).await.is_err());
    bed.sign_in.password("operator", &password, PEER).await.unwrap();
    let (log, _) = revisions::list(control, &bed.operator, None, None, 1).await.unwrap();
    assert_eq!((log[0].action.as_str(), log[0].caller.as_str()), ("reset_operator_password", "system"));
}
