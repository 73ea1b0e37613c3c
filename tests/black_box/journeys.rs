//! Whole stories over API and mail protocols: what Facteur is for.

mod attacks;
mod compressed;
mod crash;
mod disk_short;
mod drain;
mod hostile;
mod live_sessions;
mod quota;
mod quota_warnings;
mod restart;
mod scram;
mod searching;
mod sections;
mod sends;
mod settings;
mod store_check;
mod whole_path;
