//! The API as its OpenAPI document describes it.

mod every_operation;
mod operations;
