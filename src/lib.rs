//! Facteur: the mail backend of a hosting control panel.
//!
//! Floors, from the ground up; a file imports from its own folder and from floors below
//! (`tests/tidy.rs` holds this as a table):
//!
//! | floor | modules | what |
//! | --- | --- | --- |
//! | 0 | `model`, `mime` | the words of the system as types; messages as structure |
//! | 1 | `db`, `net`, `auth`, `clock`, `meters` | the outside world, wrapped thinly |
//! | 2 | `directory`, `store` | what is known |
//! | 3 | `control`, `delivery` | what happens |
//! | 4 | `api`, `mail` | edges: they translate, and decide nothing |
//! | 5 | `settings` | the process environment |
//! | 6 | `app`, `cli`, `main` | start, wire, drain; the API's own client |

pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod control;
pub mod db;
pub mod delivery;
pub mod directory;
pub mod mail;
pub mod meters;
pub mod mime;
pub mod model;
pub mod net;
pub mod settings;
pub mod store;
