//! Introspection, then userinfo with the same token: for servers whose introspection does not say who it is.
//!
//! 1. Userinfo is asked only about a token that introspection calls live.
//! 2. Both must name the same `sub` (OpenID Connect Core §5.3.2: otherwise the answer must not be used). A number
//!    and a text of the same digits are the same.
//! 3. An introspection without `sub` is completed by userinfo; a userinfo without the `sub` that introspection
//!    named is nonsense, because nothing shows that it is about the same user.
//! 4. A "no" of either is a "no", and an error of either an error; both tell whose it is.

use super::{Answer, Lookup, Verdict, answer, introspection::Introspection, userinfo::Userinfo};
use crate::error::{Half, SourceError};

/// Asks both.
#[derive(Debug)]
pub(super) struct Combined {
    pub(super) introspection: Introspection,
    pub(super) userinfo: Userinfo,
}

impl Combined {
    pub(super) async fn look_up(&self, lookup: &mut Lookup<'_>) -> Result<Verdict, SourceError> {
        let introspected = match said_by(Half::Introspection, self.introspection.look_up(lookup).await)? {
            Verdict::Live(answer) => answer,
            other => return Ok(other),
        };
        match said_by(Half::Userinfo, self.userinfo.look_up(lookup).await)? {
            Verdict::Live(userinfo) => {
                combine(*introspected, *userinfo).map(|both| Verdict::Live(Box::new(both)))
            }
            other => Ok(other),
        }
    }
}

fn said_by(half: Half, said: Result<Verdict, SourceError>) -> Result<Verdict, SourceError> {
    match said {
        Ok(Verdict::No(_)) => Ok(Verdict::No(Some(half))),
        Ok(verdict) => Ok(verdict),
        Err(error) => Err(SourceError::OfHalf { half, error: Box::new(error) }),
    }
}

/// Puts both answers together by the rules of this module.
///
/// # Errors
/// [`SourceError::Nonsense`] when they are about different users.
pub fn combine(introspected: Answer, userinfo: Answer) -> Result<Answer, SourceError> {
    let (members, new_cookie) = (userinfo.userinfo.unwrap_or_default(), userinfo.new_cookie);
    match (introspected.session.get("sub"), members.get("sub")) {
        (None | Some(serde_json::Value::Null), _) => {}
        (Some(one), Some(other)) if answer::same_text(one, other) => {}
        (Some(_), None | Some(serde_json::Value::Null)) => {
            return Err(SourceError::Nonsense("userinfo names no `sub`, introspection does".into()));
        }
        (Some(_), Some(_)) => {
            return Err(SourceError::Nonsense("introspection and userinfo name different `sub`".into()));
        }
    }
    let ends = introspected.ends.into_iter().chain(userinfo.ends).min();
    Ok(Answer { session: introspected.session, userinfo: Some(members), ends, new_cookie })
}
