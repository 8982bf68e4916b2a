//! What an endpoint does with one request, for a person. The checks are the very functions that
//! [`SessionEndpoints::answer`] calls; nothing is renewed, revoked or remembered.

use std::path::Path;

use http::{StatusCode, header};

use super::{Endpoint, SessionEndpoints, check_request, endpoint_of, login, query};
use crate::{
    config::resolved::BrowserMode,
    error::Refusal,
    http::{Parts, cors},
    translate::{
        Translation,
        explain::{End, Explained, Step, Stopped, refused, span},
    },
};

impl SessionEndpoints {
    /// Says for one request under [`PREFIX`](super::PREFIX) what its endpoint decides. Asks the authorization server
    /// if the request gets that far.
    pub async fn explain(&self, translation: &Translation, parts: &Parts, state_dir: &Path) -> Explained {
        let mut steps = Vec::new();
        let end = self.explain_to(translation, (parts, state_dir), &mut steps).await;
        Explained::new(steps, end)
    }

    async fn explain_to(
        &self,
        translation: &Translation,
        (parts, state_dir): (&Parts, &Path),
        steps: &mut Vec<Step>,
    ) -> Result<End, Stopped> {
        let endpoint =
            endpoint_of(parts).map_err(|refusal| ("endpoint", refusal, why_none(parts, refusal)))?;
        if endpoint.is_for_scripts() && cors::is_preflight(&parts.method, &parts.fields) {
            return self.explain_preflight(endpoint, parts, steps);
        }
        check_request(endpoint, parts)
            .map_err(|refusal| ("endpoint", refusal, why_not_so(endpoint, parts, refusal)))?;
        steps.push(Step::passed("endpoint", self.describe(endpoint)));
        if endpoint.is_for_scripts() {
            self.check_page(parts).map_err(refused("origin"))?;
            steps.push(Step::passed(
                "origin",
                "a script of a page of ours, or of an allowed origin".to_owned(),
            ));
        }
        match endpoint {
            Endpoint::Script(_) => Ok(End::Answered(StatusCode::OK)),
            Endpoint::Done => login::done(parts.uri.query()).map(|_| End::Answered(StatusCode::OK)),
            Endpoint::Login => {
                login::login(&self.config, &self.own_origin, parts.uri.query()).map(|answer| {
                    let location =
                        answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
                    let says = format!("303 to {}", location.unwrap_or_default());
                    steps.push(Step::passed("log-in", says));
                    End::Answered(StatusCode::SEE_OTHER)
                })
            }
            Endpoint::LogOut | Endpoint::Renew | Endpoint::Session => {
                return self.explain_session(endpoint, translation, (parts, state_dir), steps).await;
            }
        }
        .map_err(refused("log-in"))
    }

    fn explain_preflight(
        &self,
        endpoint: Endpoint,
        parts: &Parts,
        steps: &mut Vec<Step>,
    ) -> Result<End, Stopped> {
        self.preflight(endpoint, &parts.fields).map_err(|refusal| {
            ("origin", refusal, "a preflight of an origin that is not allowed".to_owned())
        })?;
        steps.push(Step::passed("origin", format!("a preflight for {}", endpoint.methods())));
        Ok(End::Answered(StatusCode::NO_CONTENT))
    }

    async fn explain_session(
        &self,
        endpoint: Endpoint,
        translation: &Translation,
        (parts, state_dir): (&Parts, &Path),
        steps: &mut Vec<Step>,
    ) -> Result<End, Stopped> {
        let is_log_out = endpoint == Endpoint::LogOut;
        let audience = if is_log_out { None } else { self.audience(parts)? };
        let session = translation.explain_page_session(&parts.fields, Some(state_dir), steps).await;
        let left = match session {
            Ok(ends) => ends.saturating_since(translation.clock.now().wall),
            // What is no session needs no log-out.
            Err((stage, Refusal::Revoked | Refusal::SessionEnded, says)) if is_log_out => {
                steps.push(Step::passed(stage, says));
                return Ok(End::Answered(StatusCode::OK));
            }
            Err(stopped) => return Err(stopped),
        };
        if is_log_out {
            let url = match &self.config.logout_url {
                Some(url) => format!("and the page goes on to {url}"),
                None => "and lives on at the authorization server: `logout_url` is not set".to_owned(),
            };
            steps.push(Step::passed("log-out", format!("the session would be revoked, {url}")));
            return Ok(End::Answered(StatusCode::OK));
        }
        let renew = span(self.lifetime.min(left));
        let says = match (self.config.mode, audience) {
            (BrowserMode::Cookie, _) => format!("no token reaches the page; it renews within {renew}"),
            (BrowserMode::Bearer, None) => format!("a token for this gateway alone, good for {renew}"),
            (BrowserMode::Bearer, Some(audience)) => {
                translation
                    .allows_page_token(&audience)
                    .map_err(|refusal| ("token", refusal, format!("`{audience}`: {}", refusal.row().text)))?;
                format!("a token for `{audience}`, good for {renew}")
            }
        };
        steps.push(Step::passed("token", says));
        Ok(End::Answered(StatusCode::OK))
    }

    fn audience(&self, parts: &Parts) -> Result<Option<String>, Stopped> {
        let audience = query::parameter(parts.uri.query(), "audience").map_err(refused("endpoint"))?;
        match (self.config.mode, &audience) {
            (BrowserMode::Cookie, Some(_)) => Err(refused("token")(Refusal::AudienceNotAllowed)),
            (BrowserMode::Cookie, None) | (BrowserMode::Bearer, _) => Ok(audience),
        }
    }

    fn describe(&self, endpoint: Endpoint) -> String {
        let does = match endpoint {
            Endpoint::Done => "where a log-in ends: tells the other tabs".to_owned(),
            Endpoint::LogOut => {
                "revokes the session here, and tells the services that follow the feed".to_owned()
            }
            Endpoint::Login => format!("sends the browser to {}", self.config.login_url),
            Endpoint::Renew => "renews what a page has, as often as it asks".to_owned(),
            Endpoint::Script(script) => format!("the browser client, `{}`", script.integrity()),
            Endpoint::Session => "tells a page who is logged in, and until when".to_owned(),
        };
        format!("the gateway's own: {does}")
    }
}

fn why_none(parts: &Parts, refusal: Refusal) -> String {
    match refusal {
        Refusal::NoRoute => format!("`{}` is none of the gateway's own", parts.uri.path()),
        _ => refusal.row().text.to_owned(),
    }
}

fn why_not_so(endpoint: Endpoint, parts: &Parts, refusal: Refusal) -> String {
    match refusal {
        Refusal::MethodNotAllowed => format!("{} is not among {}", parts.method, endpoint.methods()),
        _ => refusal.row().text.to_owned(),
    }
}
