//! One example token for each audience: what it says and how long it is.

use std::sync::Arc;

use countersign::{Claims, ClientId, OrganisationId, Role, Subject};
use countersign_gateway::{
    clock::SystemClock, config::Config, entropy::SystemEntropy, gateway::rehearse, identity::Identity,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    check::Item,
    screen::{self, Mark, Screen},
};

/// The tokens, or why there are none.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Tokens {
    /// Made for a caller that does not exist.
    pub(crate) invented: bool,
    pub(crate) examples: Vec<Example>,
    pub(crate) remarks: Vec<Item>,
}

/// One token.
#[derive(Debug, Serialize)]
pub(crate) struct Example {
    audience: String,
    bytes: usize,
    budget: usize,
    claims: Claims,
}

/// Makes a token for each audience: for the caller of the live session, or else for one that is invented.
pub(crate) fn make(config: &Config, identity: Option<&Identity>) -> Tokens {
    let mut tokens = Tokens { invented: identity.is_none(), ..Tokens::default() };
    let rehearsal = rehearse(config, Arc::new(SystemClock::start()), Arc::new(SystemEntropy));
    let translation = match rehearsal {
        Ok(rehearsal) => rehearsal.translation,
        Err(error) => {
            tokens.remarks.push(Item::new(Mark::Fault, error.to_string()));
            return tokens;
        }
    };
    let invented = invent(config);
    for (route, sample) in translation.samples(identity.unwrap_or(&invented)) {
        match sample {
            Ok(sample) => {
                if sample.bytes > sample.budget / 4 * 3 {
                    let text = format!(
                        "`{}`: more than three quarters of the header budget are used",
                        sample.claims.aud
                    );
                    tokens.remarks.push(Item::new(Mark::Warning, text));
                }
                tokens.examples.push(Example {
                    audience: sample.claims.aud.to_string(),
                    bytes: sample.bytes,
                    budget: sample.budget,
                    claims: sample.claims,
                });
            }
            Err(refusal) => {
                let text =
                    format!("{}: no token, {}: {}", route.config.path, refusal.code(), refusal.row().text);
                tokens.remarks.push(Item::new(Mark::Fault, text));
            }
        }
    }
    tokens
}

/// A caller as there could be one: what the configuration maps, in usual lengths.
fn invent(config: &Config) -> Identity {
    Identity {
        subject: Subject::from("example-subject-7f3a9c1e"),
        username: Some("example.person".into()),
        email: Some("example.person@shop.example".into()),
        roles: [Role::from("example-role"), Role::from("another-role")].into(),
        organisation: config
            .claims
            .organisation
            .as_ref()
            .and_then(|_| OrganisationId::new("example-organisation").ok()),
        scope: None,
        client: Some(ClientId::from("example-client")),
        server_sid: None,
    }
}

impl Tokens {
    pub(crate) fn shown(&self, screen: Screen) -> String {
        let mut text = String::new();
        for Example { audience, bytes, budget, claims } in &self.examples {
            let who = if self.invented { ", for an invented caller" } else { "" };
            text.push_str(
                &screen.heading(&format!("token for `{audience}`: {bytes} of {budget} bytes{who}")),
            );
            text.push_str(&screen::indented(&json!(claims)));
        }
        text
    }
}
