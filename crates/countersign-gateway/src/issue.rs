//! Permit + audience + `now` → claims; rules of life. Pure.
//!
//! 1. A token never outlives its session: `exp` ≤ the session's end.
//! 2. A token that is handed out has at least [`TokenPolicy::minimum_remaining`] left, unless the session's end is
//!    nearer; then the same token serves until that end.

use std::time::Duration;

use countersign::{Audience, Claims, ClientId, Issuer, SessionId, TokenId, UnixTime};

use crate::permit::Permit;

/// What the tokens of one audience say, and how long they live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPolicy {
    /// Names this policy: equal for equal settings, also across reloads.
    pub id: PolicyId,
    /// Who signs.
    pub issuer: Issuer,
    /// Whom the tokens are for.
    pub audience: Audience,
    /// `client_id` of sessions that have none.
    pub default_client: ClientId,
    /// Life of a token.
    pub lifetime: Duration,
    /// Put `preferred_username` in.
    pub with_username: bool,
    /// Put `email` in.
    pub with_email: bool,
    /// Longest `Authorization` value in bytes.
    pub header_budget: usize,
}

/// Digest of everything in a [`TokenPolicy`]: a token made under one policy is never served under another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PolicyId(pub [u8; 16]);

impl TokenPolicy {
    /// Life that a token handed out has left: a fifth of the lifetime, one minute by default.
    #[must_use]
    pub const fn minimum_remaining(&self) -> Duration {
        Duration::from_secs(self.lifetime.as_secs() / 5)
    }

    /// Whether a token that ends at `exp` may be given to a page: four fifths of its life are left, or it ends with
    /// its session.
    #[must_use]
    pub fn is_fresh(&self, exp: UnixTime, session_ends: UnixTime, now: UnixTime) -> bool {
        let least = Duration::from_secs(self.lifetime.as_secs() / 5 * 4);
        exp > now && exp <= session_ends && (exp.saturating_since(now) >= least || exp == session_ends)
    }

    /// Whether a token that ends at `exp` may still be handed out for a session that ends at `session_ends`.
    #[must_use]
    pub fn may_serve(&self, exp: UnixTime, session_ends: UnixTime, now: UnixTime) -> bool {
        let remaining = exp.saturating_since(now);
        exp > now && exp <= session_ends && (remaining >= self.minimum_remaining() || exp == session_ends)
    }
}

/// Makes the claims of one token.
#[must_use]
pub fn claims(
    permit: &Permit<'_>,
    policy: &TokenPolicy,
    session: &SessionId,
    session_ends: UnixTime,
    token_id: TokenId,
    now: UnixTime,
) -> Claims {
    let identity = permit.identity();
    Claims {
        iss: policy.issuer.clone(),
        aud: policy.audience.clone(),
        sub: identity.subject.clone(),
        client_id: identity.client.clone().unwrap_or_else(|| policy.default_client.clone()),
        iat: now,
        exp: now.saturating_add(policy.lifetime).min(session_ends),
        jti: token_id,
        sid: Some(session.clone()),
        roles: identity.roles.to_vec(),
        organisation: identity.organisation.clone(),
        scope: identity.scope.as_deref().map(str::to_owned),
        username: identity.username.as_deref().filter(|_| policy.with_username).map(str::to_owned),
        email: identity.email.as_deref().filter(|_| policy.with_email).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use countersign::UnixTime;
    use proptest::prelude::*;

    use super::claims;
    use crate::{permit::permit, testing};

    proptest! {
        #[test]
        fn a_token_never_outlives_its_session(now in 0_u64..1 << 40, life in 1_u64..1 << 20, end in 0_u64..1 << 41) {
            let (now, end) = (UnixTime::from_secs(now), UnixTime::from_secs(end));
            let mut policy = testing::token_policy("orders");
            policy.lifetime = std::time::Duration::from_secs(life);
            let identity = testing::identity("alice", &[]);
            let permit = permit(&identity, &testing::demands(&[])).unwrap();
            let made = claims(&permit, &policy, &"s".into(), end, "t".into(), now);
            prop_assert!(made.exp <= end);
            prop_assert!(made.exp <= now.saturating_add(policy.lifetime));
            if end > now {
                prop_assert!(policy.may_serve(made.exp, end, now));
            } else {
                prop_assert!(!policy.may_serve(made.exp, end, now));
            }
        }

        #[test]
        fn what_is_served_has_its_minimum_left_or_ends_with_the_session(
            exp in 0_u64..2000, end in 0_u64..2000, now in 0_u64..2000,
        ) {
            let (exp, end, now) = (UnixTime::from_secs(exp), UnixTime::from_secs(end), UnixTime::from_secs(now));
            let policy = testing::token_policy("orders");
            if policy.may_serve(exp, end, now) {
                prop_assert!(exp > now && exp <= end);
                prop_assert!(exp == end || exp.saturating_since(now) >= policy.minimum_remaining());
            }
        }
    }

    #[test]
    fn names_and_addresses_are_only_told_to_routes_that_ask() {
        let identity = testing::identity("alice", &["editor"]);
        let permit = permit(&identity, &testing::demands(&[])).unwrap();
        let (now, end) = (UnixTime::from_secs(1000), UnixTime::from_secs(9000));
        let mut policy = testing::token_policy("orders");
        let plain = claims(&permit, &policy, &"s".into(), end, "t".into(), now);
        assert_eq!((plain.username, plain.email), (None, None));
        (policy.with_username, policy.with_email) = (true, true);
        let full = claims(&permit, &policy, &"s".into(), end, "t".into(), now);
        assert_eq!(full.username.as_deref(), Some("alice.name"));
        assert_eq!(full.email.as_deref(), Some("alice@example.com"));
    }
}
