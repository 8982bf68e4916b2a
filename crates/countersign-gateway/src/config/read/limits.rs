//! `[limits]` and `[log]`.

use crate::config::{
    reader::{Reader, Section},
    resolved::{Limits, LogConfig},
};

pub(super) fn read<'a>(reader: &mut Reader<'a>, top: &Section<'a>) -> Limits {
    let section = reader.section(top, "limits");
    let count = |reader: &mut Reader<'a>, name: &str| reader.count(&section, name).unwrap_or_default();
    Limits {
        header_bytes: usize::try_from(reader.size(&section, "header_bytes")).unwrap_or(usize::MAX),
        header_count: usize::try_from(count(reader, "header_count")).unwrap_or(usize::MAX),
        body_bytes: reader.size(&section, "body_bytes"),
        connections: usize::try_from(count(reader, "connections")).unwrap_or(usize::MAX),
        connections_per_client: usize::try_from(count(reader, "connections_per_client"))
            .unwrap_or(usize::MAX),
        header_timeout: reader.duration(&section, "header_timeout"),
        idle_timeout: reader.duration(&section, "idle_timeout"),
        body_timeout: reader.duration(&section, "body_timeout"),
        connect_timeout: reader.duration(&section, "connect_timeout"),
        first_byte_timeout: reader.duration(&section, "first_byte_timeout"),
        max_stream: reader.duration(&section, "max_stream"),
        drain: reader.duration(&section, "drain"),
        upstream_idle: usize::try_from(count(reader, "upstream_idle")).unwrap_or(usize::MAX),
        http2_streams: u32::try_from(count(reader, "http2_streams")).unwrap_or(u32::MAX),
    }
}

pub(super) fn log<'a>(reader: &mut Reader<'a>, top: &Section<'a>) -> LogConfig {
    let section = reader.section(top, "log");
    LogConfig { json: reader.flag(&section, "json"), requests: reader.flag(&section, "requests") }
}
