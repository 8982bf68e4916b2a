//! A person at the gateway, and what every answer is checked for.

use http::{Method, header};
use serde_json::Value;

use crate::{
    COOKIE, PASSWORD, PEOPLE, Person,
    http_client::{Ask, HttpClient, Reply},
};

/// Somebody with a session.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) person: &'static Person,
    http: HttpClient,
    base_url: String,
    cookie: String,
}

impl Actor {
    /// Logs in with the old server's form.
    pub(super) async fn log_in(http: &HttpClient, base_url: &str, username: &str) -> Result<Self, String> {
        let person = PEOPLE.iter().find(|person| person.username == username);
        let person = person.ok_or_else(|| format!("nobody is called {username}"))?;
        let form = Ask::new(Method::POST, format!("{base_url}/login"))
            .header("sec-fetch-site", "same-origin")
            .form(format!("username={username}&password={PASSWORD}"));
        let reply = http.ask(form).await?;
        let set = reply.header(header::SET_COOKIE);
        let token = set.strip_prefix(&format!("{COOKIE}=")).and_then(|rest| rest.split(';').next());
        match token {
            Some(token) if reply.status == 303 && !token.is_empty() => Ok(Self {
                person,
                http: http.clone(),
                base_url: base_url.to_owned(),
                cookie: format!("{COOKIE}={token}"),
            }),
            _ => Err(format!("{username}'s log-in was answered with {} and no cookie", reply.status)),
        }
    }

    /// A request as this person's browser would send it from the old server's page.
    pub(super) fn asks(&self, method: Method, path: &str) -> Ask {
        self.asks_from(method, path).header("sec-fetch-site", "same-origin")
    }

    /// A request with the cookie, and without a word about the page it comes from.
    pub(super) fn asks_from(&self, method: Method, path: &str) -> Ask {
        Ask::new(method, format!("{}{path}", self.base_url)).header("cookie", self.cookie.clone())
    }

    pub(super) async fn get(&self, path: &str) -> Result<Reply, String> {
        self.send(self.asks(Method::GET, path)).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Reply, String> {
        self.send(self.asks(Method::POST, path).json(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Reply, String> {
        self.send(self.asks(Method::DELETE, path)).await
    }

    /// Sends to a translated route. Whatever the answer is, it must not show what only gateway and services know.
    pub(super) async fn send(&self, ask: Ask) -> Result<Reply, String> {
        let reply = self.http.ask(ask).await?;
        match self.leak(&reply) {
            Some(leak) => Err(format!("{} got an answer with {leak}", self.person.name)),
            None => Ok(reply),
        }
    }

    fn leak(&self, reply: &Reply) -> Option<&'static str> {
        let secret = self.cookie.split_once('=').map_or("", |(_, token)| token);
        let headers =
            reply.headers.iter().map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned());
        for text in headers.chain([reply.body.clone()]) {
            if text.contains(secret) {
                return Some("the session token in it");
            }
            if text.contains("eyJ") {
                return Some("a signed token in it");
            }
        }
        let names = [header::SET_COOKIE, header::AUTHORIZATION];
        names
            .iter()
            .any(|name| reply.headers.contains_key(name))
            .then_some("a cookie or credential in its header")
    }

    /// Ends the session at the old server, behind the gateway's back.
    pub(super) async fn log_out_at(&self, old_server: &str) -> Result<(), String> {
        let ask =
            Ask::new(Method::POST, format!("{old_server}/logout")).header("cookie", self.cookie.clone());
        let reply = self.http.ask(ask).await?;
        if reply.status == 303 { Ok(()) } else { Err(format!("log-out was answered with {}", reply.status)) }
    }
}
