//! A configuration and what outlives it → everything a decision depends on.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest;
use countersign::{Audience, ClientId};

use crate::{
    clock::Clock,
    config::resolved::{
        BrowserConfig, BrowserMode, ClientAuth, Config, GuardedConfig, Requirements, RouteConfig, RouteKind,
        SourceConfig, TranslateConfig,
    },
    credential::CredentialRules,
    entropy::Entropy,
    entry::{own::SessionEndpoints, proxy::Snapshot},
    guard::{Guard, TrustedIssuer},
    identity::Mapping,
    issue::{PolicyId, TokenPolicy},
    keyring::KeyRingHandle,
    observe::{Observer, SourceLabel},
    route::{Demands, RouteTable},
    session::{
        Memory, Parts, Rules, Sessions,
        key::SessionKeyer,
        source::{SourceSetupError, from_config, settings_bytes},
    },
    translate::{PageIndex, PageTokens, Translation},
    upstream::Registry,
};

/// `client_id` of sessions that have none, where the gateway has none of its own either.
const NO_CLIENT: &str = "countersign";

/// What outlives every configuration.
#[derive(Debug)]
pub(super) struct Household {
    pub(super) memory: Arc<Memory>,
    pub(super) keyring: Arc<KeyRingHandle>,
    pub(super) registry: Arc<Registry>,
    pub(super) pages: Arc<PageIndex>,
    pub(super) guard: ArcSwapOption<TrustedIssuer>,
    pub(super) observer: Observer,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl Household {
    /// Builds a snapshot. Sessions stay known as long as the settings stay the same that say what is asked and how
    /// the answer is read; the connections to the authorization server are opened anew, because the client secret
    /// may be another. Guarded routes let tokens of `trusted` through.
    pub(super) fn compose(
        &self,
        config: &Config,
        trusted: Option<&Arc<TrustedIssuer>>,
    ) -> Result<Snapshot, SourceSetupError> {
        let settings = settings_bytes(&config.session, &config.claims);
        let keyer = SessionKeyer::new(self.keyring.load().session_secret(), &settings);
        let session = &config.session;
        let sessions = Sessions::new(Parts {
            rules: Rules {
                recheck: session.recheck,
                max_age: session.max_age,
                timeout: session.timeout,
                max_waiters: session.max_waiters,
                stale_if_error: session.stale_if_error,
            },
            keyer,
            memory: Arc::clone(&self.memory),
            source: from_config(&config.session, &self.entropy, None)?,
            mapping: Mapping::new(&config.claims).accepting(&session.accept_clients),
            clock: Arc::clone(&self.clock),
            observer: self.observer.clone(),
            label: label_of(&session.source),
        });
        let policies = Policies::new(config);
        let translation = Translation {
            routes: RouteTable::with_guards(
                &config.routes,
                |translate| policies.of(translate),
                |guarded| guard(trusted?, config, guarded),
            ),
            credentials: CredentialRules::new(session.cookie.as_deref(), session.bearer),
            own_origin: origin_of(config.issuer.as_str()).to_owned(),
            sessions: Arc::new(sessions),
            page_tokens: self.page_tokens(config, &policies),
            keyring: Arc::clone(&self.keyring),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            observer: self.observer.clone(),
        };
        let target = |route: &RouteConfig| {
            let mut limits = config.limits;
            limits.body_timeout = route.body_timeout.unwrap_or(limits.body_timeout);
            self.registry.target(&route.upstreams, &limits)
        };
        let browser = config.browser.as_ref().map(|browser| SessionEndpoints {
            config: browser.clone(),
            own_origin: translation.own_origin.clone(),
            lifetime: config.token.lifetime,
        });
        Ok(Snapshot {
            translation,
            browser,
            targets: config.routes.iter().map(target).collect(),
            limits: config.limits,
            trusted_proxies: config.trusted_proxies.clone(),
        })
    }
}

impl Household {
    /// What pages hold in bearer mode. An audience that pages may ask for says what the tokens of its routes say.
    fn page_tokens(&self, config: &Config, policies: &Policies<'_>) -> Option<PageTokens> {
        let browser = config.browser.as_ref().filter(|browser| browser.mode == BrowserMode::Bearer)?;
        let demands = |translate: &TranslateConfig| {
            Arc::new(Demands { require: Requirements::default(), policy: Arc::new(policies.of(translate)) })
        };
        let own = TranslateConfig {
            audience: BrowserConfig::audience_of(&config.issuer),
            require: Requirements::default(),
            with_username: false,
            with_email: false,
        };
        let translates = || {
            config.routes.iter().filter_map(|route| match &route.kind {
                RouteKind::Translate(translate) => Some(translate),
                RouteKind::Guard(_) | RouteKind::Legacy | RouteKind::Public => None,
            })
        };
        let of = |audience: &Audience| translates().find(|translate| translate.audience == *audience);
        let services = browser.audiences.iter().filter_map(of).map(demands).collect();
        Some(PageTokens::new(config.issuer.clone(), demands(&own), services, Arc::clone(&self.pages)))
    }
}

/// What a guarded route demands.
fn guard(trusted: &Arc<TrustedIssuer>, config: &Config, guarded: &GuardedConfig) -> Option<Guard> {
    let issuer = Arc::clone(trusted);
    // Issuer and audience are names, or the configuration would have been refused.
    let verifier = issuer.verifier(guarded.audience.clone()).ok()?;
    Some(Guard {
        verifier,
        audience: guarded.audience.clone(),
        require: guarded.require.clone(),
        headers: config.guard.as_ref().map(|guard| Arc::clone(&guard.headers)).unwrap_or_default(),
        forward_token: guarded.forward_token,
        issuer,
    })
}

/// Makes token policies.
struct Policies<'a> {
    config: &'a Config,
    default_client: ClientId,
    shared_secrets: BTreeMap<&'a Audience, &'a [u8]>,
}

impl<'a> Policies<'a> {
    fn new(config: &'a Config) -> Self {
        let secrets = config.token.shared_secrets.iter();
        Self {
            config,
            default_client: own_client(&config.session.source).unwrap_or_else(|| NO_CLIENT.into()),
            shared_secrets: secrets
                .map(|(audience, secret)| (audience, secret.expose().as_slice()))
                .collect(),
        }
    }

    fn of(&self, translate: &TranslateConfig) -> TokenPolicy {
        let token = &self.config.token;
        TokenPolicy {
            id: self.id(translate),
            issuer: self.config.issuer.clone(),
            audience: translate.audience.clone(),
            default_client: self.default_client.clone(),
            lifetime: token.lifetime,
            with_username: translate.with_username,
            with_email: translate.with_email,
            header_budget: token.header_budget,
        }
    }

    /// Digest of everything that a token of this policy depends on, a shared secret included.
    fn id(&self, translate: &TranslateConfig) -> PolicyId {
        let token = &self.config.token;
        let mut hash = digest::Context::new(&digest::SHA256);
        let shared = self.shared_secrets.get(&translate.audience).copied().unwrap_or_default();
        for part in [
            self.config.issuer.as_str().as_bytes(),
            translate.audience.as_str().as_bytes(),
            self.default_client.as_str().as_bytes(),
            &token.lifetime.as_secs().to_be_bytes(),
            &(token.header_budget as u64).to_be_bytes(),
            &[u8::from(translate.with_username), u8::from(translate.with_email)],
            shared,
        ] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(hash.finish().as_ref()) {
            *to = *from;
        }
        PolicyId(id)
    }
}

fn own_client(source: &SourceConfig) -> Option<ClientId> {
    let (SourceConfig::Introspection(introspection)
    | SourceConfig::IntrospectionAndUserinfo(introspection, _)) = source
    else {
        return None;
    };
    match &introspection.client_auth {
        ClientAuth::Basic(id, _) | ClientAuth::Post(id, _) | ClientAuth::PrivateKeyJwt(id, _) => {
            Some(id.clone())
        }
        ClientAuth::Bearer(_) | ClientAuth::None => None,
    }
}

const fn label_of(source: &SourceConfig) -> SourceLabel {
    match source {
        SourceConfig::Nobody => SourceLabel::Nobody,
        SourceConfig::Introspection(_) => SourceLabel::Introspection,
        SourceConfig::IntrospectionAndUserinfo(..) => SourceLabel::IntrospectionAndUserinfo,
        SourceConfig::Userinfo(_) => SourceLabel::Userinfo,
        SourceConfig::Whoami(_) => SourceLabel::Whoami,
    }
}

/// Scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(after_scheme..).and_then(|rest| rest.find('/')).map(|at| after_scheme + at);
    end.and_then(|end| url.get(..end)).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::origin_of;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(origin_of("https://shop.example"), "https://shop.example");
        assert_eq!(origin_of("https://shop.example:8443/auth"), "https://shop.example:8443");
        assert_eq!(origin_of("http://127.0.0.1:8080/"), "http://127.0.0.1:8080");
    }
}
