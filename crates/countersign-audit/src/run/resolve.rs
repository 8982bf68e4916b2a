//! From a call by name to a request.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use serde_json::Value;

use super::engine::Engine;
use crate::{
    client::Sent,
    config::PathValue,
    document::{Access, placeholders},
    plan::{Call, Caller, Content, Credential, Edit, Placement, Which, Whose, is_version},
    tokens::{Make, Roles},
};

/// Why a call cannot be made into a request: the cell is skipped.
pub(super) type Skip = String;

impl Engine {
    /// `created` is the id that the call before made.
    pub(super) fn resolve(&self, call: &Call, created: Option<&str>) -> Result<Sent, Skip> {
        let path = edited(&self.path(call, created)?, call.edit);
        let mut headers = HeaderMap::new();
        let mut query: Vec<(String, String)> = call.query.clone();
        self.credential(call, &mut headers, &mut query)?;
        for (name, value) in &call.headers {
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no field name"))?;
            let value =
                HeaderValue::from_str(value).map_err(|_| format!("no field `{name}` can hold the value"))?;
            headers.append(name, value);
        }
        let body = self.content(call, &mut headers);
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        let mut text = format!("{}{}{path}", self.origin, self.prefix);
        if !query.is_empty() {
            text.push('?');
            text.push_str(&query.join("&"));
        }
        let uri: Uri = text.parse().map_err(|_| format!("`{path}` cannot be sent"))?;
        let method =
            Method::from_bytes(call.method.as_bytes()).map_err(|_| "the method cannot be sent".to_owned())?;
        Ok(Sent { method, uri, headers, body })
    }

    fn path(&self, call: &Call, created: Option<&str>) -> Result<String, Skip> {
        let names = placeholders(&call.path);
        if names.is_empty() {
            return Ok(call.path.clone());
        }
        let settings = self.options.settings.paths.get(&call.path);
        let operation = self.options.document.operations.iter().find(|operation| operation.path == call.path);
        let mut path = call.path.clone();
        let last = names.len().saturating_sub(1);
        for (place, name) in names.iter().enumerate() {
            let parameter =
                operation.and_then(|operation| operation.path_parameters().find(|known| &known.name == name));
            let number = parameter.is_some_and(|parameter| parameter.number);
            let sample = parameter.map_or("1", |parameter| parameter.sample.as_str());
            // Only the last object is another one: those before it lead to where the caller may look.
            let whose = if place == last { call.whose } else { nested(call.whose) };
            let value = match settings.and_then(|settings| settings.get(name)) {
                Some(PathValue::Value { value }) => value.clone(),
                Some(PathValue::Kind(kind)) => self.object_id(call, kind, whose, created, number)?,
                None if whose == Whose::Absent => absent(sample, number),
                None => sample.to_owned(),
            };
            path = path.replace(&format!("{{{name}}}"), &escaped(&value));
        }
        Ok(path)
    }

    fn object_id(
        &self,
        call: &Call,
        kind: &str,
        whose: Whose,
        created: Option<&str>,
        number: bool,
    ) -> Result<String, Skip> {
        let own = call.caller.organisation;
        let of = |which: Which| {
            if kind == "organisation" {
                return Ok(self.ground().organisation_id(which));
            }
            self.object(kind, which).ok_or_else(|| format!("there is no {kind} of both organisations"))
        };
        match whose {
            Whose::Own | Whose::Sample => of(own),
            Whose::Foreign => of(own.other()),
            Whose::Absent => Ok(absent(&of(own).unwrap_or_default(), number)),
            Whose::Created => {
                created.map(str::to_owned).ok_or_else(|| "the answer names no new object".to_owned())
            }
        }
    }

    fn credential(
        &self,
        call: &Call,
        headers: &mut HeaderMap,
        query: &mut Vec<(String, String)>,
    ) -> Result<(), Skip> {
        if self.is_gateway() {
            return self.session(call, headers);
        }
        let token = |make| {
            let bearer = self.ground().bearer(&call.caller);
            self.mint.token(&bearer, self.key, make, self.options.clock.now())
        };
        let (text, twice) = match call.credential {
            Credential::Absent => return Ok(()),
            Credential::Text(text) => (text.to_owned(), false),
            Credential::Bad(row) => (format!("Bearer {}", token(Make::Bad(row))), false),
            Credential::Odd(row) => (format!("Bearer {}", token(Make::Odd(row))), false),
            Credential::Twin(row) => (format!("Bearer {}", token(Make::Twin(row))), false),
            Credential::Good(Placement::Bearer) => (format!("Bearer {}", token(Make::Good)), false),
            Credential::Good(Placement::LowerCase) => (format!("bearer {}", token(Make::Good)), false),
            Credential::Good(Placement::NoScheme) => (token(Make::Good), false),
            Credential::Good(Placement::OtherScheme) => (format!("Basic {}", token(Make::Good)), false),
            Credential::Good(Placement::Twice) => (format!("Bearer {}", token(Make::Good)), true),
            Credential::Good(Placement::Query) => {
                for name in ["access_token", "token", "jwt", "bearer_token"] {
                    query.push((name.to_owned(), token(Make::Good)));
                }
                return Ok(());
            }
            Credential::Good(Placement::Cookie) => {
                let good = token(Make::Good);
                let names = ["access_token", "token", "jwt", "Authorization", "id_token"];
                let cookie: Vec<String> = names.iter().map(|name| format!("{name}={good}")).collect();
                let value = HeaderValue::from_str(&cookie.join("; ")).map_err(|error| error.to_string())?;
                headers.insert(header::COOKIE, value);
                return Ok(());
            }
        };
        // RFC 9110 §5.5, §11.4: white space before a token and after a field's value is not part of them.
        let bare = text.split_once(' ').map_or("", |(_, token)| token);
        if !bare.is_empty() && bare.trim_matches([' ', '\t']) != bare {
            return Err("HTTP takes the white space around this token away".to_owned());
        }
        let mut value = HeaderValue::from_bytes(text.as_bytes())
            .map_err(|_| "no header field can hold this token".to_owned())?;
        value.set_sensitive(true);
        if twice {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer countersign-audit"));
        }
        headers.append(header::AUTHORIZATION, value);
        Ok(())
    }

    /// The session of a test user who is like the caller.
    fn session(&self, call: &Call, headers: &mut HeaderMap) -> Result<(), Skip> {
        headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        match call.credential {
            Credential::Absent => Ok(()),
            Credential::Text(text) => {
                headers.insert(header::AUTHORIZATION, HeaderValue::from_static(text));
                Ok(())
            }
            Credential::Good(Placement::Bearer) => {
                let user = self.user(call).ok_or_else(|| "there is no test user like that".to_owned())?;
                let name = super::users::cookie_name(&self.options);
                let mut value = HeaderValue::from_str(&format!("{name}={}", user.cookie.expose()))
                    .map_err(|_| format!("the cookie of `{}` cannot be sent", user.name))?;
                value.set_sensitive(true);
                headers.insert(header::COOKIE, value);
                Ok(())
            }
            _ => Err("a gateway's tokens cannot be made here".to_owned()),
        }
    }

    /// A test user who may do what the caller may: nobody can be given other roles here.
    fn user(&self, call: &Call) -> Option<&super::users::User> {
        let Caller { organisation, says_organisation, roles, .. } = &call.caller;
        let Roles::List(roles) = roles else { return None };
        if !says_organisation {
            return None;
        }
        let ground = self.ground();
        let access =
            ground.named(&format!("{} {}", call.method, call.path)).map(|found| ground.access(found));
        let may = |roles: &[String]| match &access {
            Some(Access::Demands(demands)) => {
                demands.iter().any(|demand| demand.roles.iter().all(|role| roles.contains(role)))
            }
            _ => true,
        };
        let has_all = |of: &[String]| roles.iter().all(|role| of.contains(role));
        let fits = |user: &&super::users::User| has_all(&user.roles) && may(&user.roles) == may(roles);
        let of = |which| self.users.iter().filter(move |user| user.organisation == which).filter(fits);
        let exact = of(Some(*organisation)).find(|user| user.roles.len() == roles.len());
        exact.or_else(|| of(Some(*organisation)).next()).or_else(|| of(None).next())
    }

    fn content(&self, call: &Call, headers: &mut HeaderMap) -> Bytes {
        let json = HeaderValue::from_static("application/json");
        let (body, kind) = match &call.content {
            Content::None => return Bytes::new(),
            Content::Empty => (Bytes::from_static(b"{}"), json),
            Content::Broken => (Bytes::from_static(b"{\"countersign-audit\":"), json),
            Content::Json(value) => {
                let number = self.counter.fetch_add(1, Ordering::Relaxed);
                let canary = format!("{}-{number}", self.canary(call.caller.organisation));
                (filled(value, &canary).to_string().into(), json)
            }
        };
        headers.insert(header::CONTENT_TYPE, kind);
        body
    }
}

const fn nested(whose: Whose) -> Whose {
    match whose {
        Whose::Absent | Whose::Created | Whose::Foreign => Whose::Own,
        other => other,
    }
}

/// `{canary}` becomes a text that no other object holds.
fn filled(value: &Value, canary: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("{canary}", canary)),
        Value::Array(items) => items.iter().map(|item| filled(item, canary)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), filled(value, canary))).collect()
        }
        other => other.clone(),
    }
}

/// An id of the same form that no object has.
fn absent(like: &str, number: bool) -> String {
    if number || (!like.is_empty() && like.bytes().all(|byte| byte.is_ascii_digit())) {
        return "2147483000".to_owned();
    }
    let is_uuid = like.len() == 36 && like.bytes().filter(|byte| *byte == b'-').count() == 4;
    if is_uuid {
        "00000000-0000-4000-8000-00000000a0d1".to_owned()
    } else {
        "countersign-audit-absent".to_owned()
    }
}

pub(super) fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
            result.push(char::from(byte));
        } else {
            result.push_str(&format!("%{byte:02X}"));
        }
    }
    result
}

/// Another spelling of the path.
fn edited(path: &str, edit: Edit) -> String {
    let (head, tail) = path.rsplit_once('/').unwrap_or(("", path));
    match edit {
        Edit::None => path.to_owned(),
        Edit::Capital => path.to_ascii_uppercase(),
        Edit::DotSegment => format!("{head}/./{tail}"),
        Edit::DoubleSlash => format!("/{path}"),
        Edit::Encoded => {
            let mut done = false;
            let letters = path.chars().map(|letter| {
                if done || !letter.is_ascii_alphabetic() {
                    letter.to_string()
                } else {
                    done = true;
                    format!("%{:02x}", u32::from(letter))
                }
            });
            letters.collect()
        }
        Edit::EncodedDots => format!("/countersign-audit/%2e%2e{path}"),
        Edit::Extension => format!("{}.json", path.trim_end_matches('/')),
        Edit::LastSlash => match path.strip_suffix('/') {
            Some(without) if !without.is_empty() => without.to_owned(),
            _ => format!("{path}/"),
        },
        Edit::Matrix => format!("{path};countersign=audit"),
        Edit::Null => format!("{path}%00"),
        Edit::OldVersion => {
            let older =
                |segment: &str| if is_version(segment) { "v1".to_owned() } else { segment.to_owned() };
            path.split('/').map(older).collect::<Vec<_>>().join("/")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Edit, edited};

    #[test]
    fn spellings() {
        assert_eq!(edited("/a/", Edit::LastSlash), "/a");
        assert_eq!(edited("/a/b", Edit::LastSlash), "/a/b/");
        assert_eq!(edited("/a/b", Edit::DotSegment), "/a/./b");
        assert_eq!(edited("/a/b", Edit::Encoded), "/%61/b");
        assert_eq!(edited("/v2/b", Edit::OldVersion), "/v1/b");
    }
}
