//! Whole stories over API and mail protocols: what Facteur is for.

mod whole_path;
