//! The API as its OpenAPI document describes it, and the rules that the document cannot say.

mod acting;
mod advice;
mod app_passwords;
mod bulk;
mod callers;
mod containment;
mod editable;
mod events;
mod every_operation;
mod fields;
mod links;
mod lists;
mod mail;
mod metrics;
mod operations;
mod problems;
mod rates;
mod resources;
mod revisions;
mod scheduled;
mod second_factors;
mod sign_ins;
mod transport;
mod webhooks;
mod writes;
