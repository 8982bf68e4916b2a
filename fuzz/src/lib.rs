//! What the fuzz targets do: one plain function each, which panics when something is wrong.

pub mod against_jsonwebtoken;
pub mod answer;
pub mod config;
pub mod credential;
pub mod head_guard;
pub mod http_headers;
pub mod http_path;
pub mod source_answer;
