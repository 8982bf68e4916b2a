//! The session endpoints for pages, by raw requests.

mod bearer;
mod gates;
mod http2;
mod log_out;
mod login;
mod rotation;
mod routes;
mod script;
mod session;

use crate::{
    proxy::house::{House, who},
    server::recorder::{OK, Recorder},
    sources::fake::json,
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

/// The same with more lines in `[session]`, and a server that knows `user-N` as well.
pub(crate) async fn house_with(session: &str, more: &str) -> House {
    let more = format!("{BROWSER}{more}");
    House::asking(session, "", &more, Recorder::answering(OK).await, |arrived| {
        let form = arrived.form();
        let token = form.iter().find_map(|(name, value)| (name == "token").then_some(value));
        match token.filter(|token| token.starts_with("user-")) {
            Some(user) => {
                let user =
                    format!(r#"{{"active":true,"sub":"{user}","org":{{"id":"acme"}},"client_id":"shop"}}"#);
                json(200, &user)
            }
            None => who(arrived),
        }
    })
    .await
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
