//! The session endpoints for pages, by raw requests.

mod gates;
mod login;
mod session;

use crate::{
    proxy::house::{House, who},
    server::recorder::{OK, Recorder},
    wire::{refused, statuses},
};

/// What a script of our own page sends.
pub(crate) const PAGE: [&str; 2] = ["Countersign: 1", "Sec-Fetch-Site: same-origin"];

const BROWSER: &str = "[browser]\nlogin_url = \"https://sso.example/login?next={return}\"\n\
    logout_url = \"https://sso.example/logout\"\nallowed_origins = [\"https://app.example\"]\n";

/// With `[browser]`, and these lines behind it.
pub(crate) async fn house(more: &str) -> House {
    House::with("", &format!("{BROWSER}{more}"), Recorder::answering(OK).await, who).await
}

/// Status and code of an answer.
pub(crate) fn verdict(answer: &str) -> (&str, Option<&str>) {
    (statuses(answer).first().copied().unwrap_or_default(), refused(answer))
}

/// The value of a field of an answer's head.
pub(crate) fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The JSON of an answer.
pub(crate) fn body(answer: &str) -> serde_json::Value {
    let text = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
