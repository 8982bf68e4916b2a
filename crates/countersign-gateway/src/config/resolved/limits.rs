//! `[limits]` and `[log]`.

use std::time::Duration;

/// Bounds of the HTTP side, each with its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Header section in bytes. Default 32 KiB.
    pub header_bytes: usize,
    /// Header fields. Default 100, and not more.
    pub header_count: usize,
    /// Request body in bytes. Default 16 MiB; 0 is no limit.
    pub body_bytes: u64,
    /// Open connections, together for all workers. Default 10,000.
    pub connections: usize,
    /// Open connections of one client address, trusted proxies apart. Default 1,024.
    pub connections_per_client: usize,
    /// For the whole header section. Default 10 s.
    pub header_timeout: Duration,
    /// Between two requests on one connection. Default 60 s.
    pub idle_timeout: Duration,
    /// Between two pieces of a body, either way. Default 30 s.
    pub body_timeout: Duration,
    /// TCP and TLS to an upstream. Default 2 s.
    pub connect_timeout: Duration,
    /// From the sent request to the first byte of the answer. Default 60 s.
    pub first_byte_timeout: Duration,
    /// Longest life of an answer's stream or an upgraded connection. Default 1 h.
    pub max_stream: Duration,
    /// For open requests after SIGTERM. Default 30 s.
    pub drain: Duration,
    /// Idle connections kept to one upstream, for each worker. Default 64.
    pub upstream_idle: usize,
    /// HTTP/2 streams at once on one connection. Default 128.
    pub http2_streams: u32,
}

impl Limits {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        header_bytes: 32 * 1024,
        header_count: 100,
        body_bytes: 16 * 1024 * 1024,
        connections: 10_000,
        connections_per_client: 1_024,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
        body_timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(2),
        first_byte_timeout: Duration::from_secs(60),
        max_stream: Duration::from_secs(3600),
        drain: Duration::from_secs(30),
        upstream_idle: 64,
        http2_streams: 128,
    };
}

/// `[log]`: what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// JSON lines instead of text. Default true.
    pub json: bool,
    /// A line for each forwarded request. Default false.
    pub requests: bool,
}
