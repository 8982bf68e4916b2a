//! `[session]`: whose sessions are accepted, and how the authorization server is asked.

mod client;
mod source;

use std::num::NonZeroUsize;

use countersign::ClientId;
use http::Uri;

use crate::config::{
    error::ConfigErrorCode,
    reader::{Fault, Reader, Section},
    resolved::SessionConfig,
    value,
};

pub(super) fn read<'a>(reader: &mut Reader<'a>, top: &Section<'a>) -> Option<SessionConfig> {
    let section = reader.section(top, "session");
    let cookie = reader.text(&section, "cookie", value::cookie_name);
    let bearer = reader.flag(&section, "bearer");
    if cookie.is_absent() && !bearer && !section.is_absent() {
        let problem = "is missing: name the cookie, or accept tokens with `bearer = true`";
        reader.fault(&section, "cookie", Fault::new(ConfigErrorCode::Missing, problem));
    }
    let accept_clients = accept_clients(reader, &section, bearer);
    let source = source::read(reader, &section);
    let mut amount = |name: &str| {
        let count = reader.count(&section, name).and_then(|count| usize::try_from(count).ok());
        count.and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN)
    };
    let (cache_entries, max_lookups) = (amount("cache_entries"), amount("max_lookups"));
    let (max_lookups_per_client, max_waiters) = (amount("max_lookups_per_client"), amount("max_waiters"));
    let (recheck, max_age) = (reader.duration(&section, "recheck"), reader.duration(&section, "max_age"));
    if recheck > max_age {
        let problem = "is longer than `max_age`";
        reader.fault(&section, "recheck", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    let keep_alive = keep_alive(reader, &section, cookie.is_absent());
    let stale_if_error = reader.duration_if_any(&section, "stale_if_error");
    if stale_if_error.is_some_and(|ceiling| ceiling <= recheck) {
        let problem = "is not longer than `recheck`";
        reader.fault(&section, "stale_if_error", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    Some(SessionConfig {
        cookie: cookie.given(),
        bearer,
        source: source?,
        keep_alive,
        recheck,
        stale_if_error,
        max_age,
        timeout: reader.duration(&section, "timeout"),
        cache_entries,
        max_lookups,
        max_lookups_per_client,
        max_waiters,
        accept_clients,
    })
}

fn keep_alive<'a>(reader: &mut Reader<'a>, section: &Section<'a>, without_cookie: bool) -> Option<Uri> {
    let page = reader.text(section, "keep_alive", value::url);
    let conflict = if page.is_absent() {
        None
    } else if section.has("whoami") {
        Some("has no effect with `whoami`, whose look-ups carry the cookie")
    } else if without_cookie {
        Some("has no effect without `cookie`")
    } else {
        None
    };
    if let Some(problem) = conflict {
        reader.fault(section, "keep_alive", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    let page = page.given()?;
    if !value::is_private(&page) && !reader.flag(section, "insecure_http") {
        let problem = "is plain HTTP beyond loopback: use `https`, or set `insecure_http = true`";
        reader.fault(section, "keep_alive", Fault::new(ConfigErrorCode::NotNamedInsecure, problem));
    }
    Some(page)
}

fn accept_clients<'a>(reader: &mut Reader<'a>, section: &Section<'a>, bearer: bool) -> Vec<ClientId> {
    let clients = reader.list(section, "accept_clients", value::client_id);
    let any = reader.insecure(section, "insecure_any_client");
    let none = clients.is_absent() || clients.as_given().is_some_and(Vec::is_empty);
    if bearer && none && !any {
        let problem = "accepts tokens of any client: name yours in `accept_clients`, or set `insecure_any_client = true`";
        reader.fault(section, "bearer", Fault::new(ConfigErrorCode::NotNamedInsecure, problem));
    }
    if any && !none {
        let problem = "contradicts `accept_clients`";
        reader.fault(section, "insecure_any_client", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    clients.given().unwrap_or_default().into_iter().map(ClientId::from).collect()
}
