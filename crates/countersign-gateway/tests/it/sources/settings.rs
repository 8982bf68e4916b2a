//! A remembered answer is used only under the settings it was made under.

use std::{num::NonZeroUsize, time::Duration};

use countersign::{ClientId, Issuer, Secret};
use countersign_gateway::{
    config::resolved::{
        BoundedRole, ClaimPath, ClaimRoot, ClaimsConfig, ClientAuth, Endpoint, IntrospectionConfig, SaysNo,
        SessionConfig, SourceConfig, UserinfoConfig, WhoamiConfig,
    },
    session::source::settings_bytes,
};
use http::{Method, StatusCode};
use proptest::prelude::*;

use super::{basic, given, introspection, session, whoami};

/// Names that run into each other when they are joined without care.
fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "b", "ab", "ba", "a.b", "session", "basic", "\0", "\u{1}a"])
        .prop_map(str::to_owned)
}

/// Endpoints as data: what is compared with the bytes.
type Place = (bool, String);

/// Which client authentication, which client, and whether the kind of token must be told.
type Auth = (u8, String, bool);

/// The settings that count, in a form that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    Introspection(Place, Auth),
    Both(Place, Auth, Place),
    Userinfo(Place),
    Whoami {
        path: String,
        post: bool,
        status: Vec<u16>,
        redirect: Option<String>,
        unless: Option<Vec<String>>,
        cookie: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    way: Way,
    clients: std::collections::BTreeSet<String>,
    paths: [Option<(bool, Vec<String>)>; 5],
    bounds: std::collections::BTreeMap<String, String>,
}

fn place() -> impl Strategy<Value = Place> {
    (
        any::<bool>(),
        prop::sample::select(vec!["http://a/", "http://a/b", "http://ab/"]).prop_map(str::to_owned),
    )
}

fn auth() -> impl Strategy<Value = Auth> {
    (0_u8..5, name(), any::<bool>())
        .prop_map(|(kind, client, told)| (kind, if kind == 4 { String::new() } else { client }, told))
}

fn way() -> impl Strategy<Value = Way> {
    let statuses = prop::collection::btree_set(prop::sample::select(vec![401_u16, 403, 404]), 0..3)
        .prop_map(|set| set.into_iter().collect::<Vec<_>>());
    prop_oneof![
        (place(), auth()).prop_map(|(place, auth)| Way::Introspection(place, auth)),
        (place(), auth(), place()).prop_map(|(one, auth, two)| Way::Both(one, auth, two)),
        place().prop_map(Way::Userinfo),
        (
            prop::sample::select(vec!["http://a/", "http://a/b"]).prop_map(str::to_owned),
            any::<bool>(),
            statuses,
            prop::option::of(name()),
            prop::option::of(prop::collection::vec(name(), 1..3)),
            prop::option::of(name())
        )
            .prop_map(|(path, post, status, redirect, unless, cookie)| Way::Whoami {
                path,
                post,
                status,
                redirect,
                unless,
                cookie
            }),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let path = || prop::option::of((any::<bool>(), prop::collection::vec(name(), 1..3)));
    let paths = [path(), path(), path(), path(), path()];
    let bounds = prop::collection::btree_map(name(), name(), 0..3);
    (way(), prop::collection::btree_set(name(), 0..3), paths, bounds)
        .prop_map(|(way, clients, paths, bounds)| Settings { way, clients, paths, bounds })
}

fn endpoint((discovered, url): &Place) -> Endpoint {
    if *discovered { Endpoint::Discovered(Issuer::from(url.as_str())) } else { given(url) }
}

fn client_auth((kind, client, _): &Auth) -> ClientAuth {
    let secret = Secret::new(client.clone());
    let id = ClientId::from(client.as_str());
    match kind {
        0 => ClientAuth::Basic(id, Secret::new("x".into())),
        1 => ClientAuth::Post(id, Secret::new("x".into())),
        2 => ClientAuth::PrivateKeyJwt(id, Secret::new("x".into())),
        3 => ClientAuth::Bearer(secret),
        _ => ClientAuth::None,
    }
}

fn bytes(settings: &Settings) -> Vec<u8> {
    let introspection = |place: &Place, auth: &Auth| IntrospectionConfig {
        endpoint: endpoint(place),
        client_auth: client_auth(auth),
        require_token_type: auth.2,
    };
    let userinfo = |place: &Place| UserinfoConfig { endpoint: endpoint(place) };
    let mut cookie_name = Some("SESSION".to_owned());
    let source = match &settings.way {
        Way::Introspection(place, auth) => SourceConfig::Introspection(introspection(place, auth)),
        Way::Both(one, auth, two) => {
            SourceConfig::IntrospectionAndUserinfo(introspection(one, auth), userinfo(two))
        }
        Way::Userinfo(place) => SourceConfig::Userinfo(userinfo(place)),
        Way::Whoami { path, post, status, redirect, unless, cookie } => {
            cookie_name.clone_from(cookie);
            SourceConfig::Whoami(WhoamiConfig {
                endpoint: path.parse().unwrap(),
                method: if *post { Method::POST } else { Method::GET },
                no: SaysNo {
                    status: status.iter().map(|status| StatusCode::from_u16(*status).unwrap()).collect(),
                    redirect_to: redirect.clone(),
                    unless: unless.clone().map(|steps| ClaimPath { root: ClaimRoot::Session, steps }),
                },
            })
        }
    };
    let mut config = session(source);
    config.cookie = cookie_name;
    config.accept_clients = settings.clients.iter().map(|client| ClientId::from(client.as_str())).collect();
    let [subject, username, email, roles, organisation] = settings.paths.clone().map(|path| {
        path.map(|(session, steps)| ClaimPath {
            root: if session { ClaimRoot::Session } else { ClaimRoot::Userinfo },
            steps,
        })
    });
    let bound = |(role, scope): (&String, &String)| BoundedRole {
        role: role.as_str().into(),
        scope: scope.as_str().into(),
    };
    let bounded_roles = settings.bounds.iter().map(bound).collect();
    settings_bytes(&config, &ClaimsConfig { subject, username, email, roles, organisation, bounded_roles })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_settings_share_answers_only_if_they_are_the_same(one in settings(), other in settings()) {
        prop_assert_eq!(bytes(&one) == bytes(&other), one == other);
        prop_assert_eq!(bytes(&one), bytes(&one.clone()));
    }

    #[test]
    fn one_changed_part_is_seen(one in settings(), other in settings()) {
        for mixed in [
            Settings { way: other.way.clone(), ..one.clone() },
            Settings { clients: other.clients.clone(), ..one.clone() },
            Settings { paths: other.paths.clone(), ..one.clone() },
            Settings { bounds: other.bounds.clone(), ..one.clone() },
        ] {
            prop_assert_eq!(bytes(&one) == bytes(&mixed), one == mixed);
        }
    }
}

#[test]
fn what_does_not_change_the_answer_is_not_in_it() {
    let base = session(introspection(given("https://sso.example/i"), basic()));
    let expected = settings_bytes(&base, &ClaimsConfig::default());
    let same = |change: &dyn Fn(&mut SessionConfig)| {
        let mut config = base.clone();
        change(&mut config);
        assert_eq!(settings_bytes(&config, &ClaimsConfig::default()), expected);
    };
    same(&|config| config.recheck = Duration::from_secs(1));
    same(&|config| config.max_age = Duration::from_secs(1));
    same(&|config| config.timeout = Duration::from_secs(1));
    same(&|config| config.cache_entries = NonZeroUsize::MIN);
    same(&|config| config.max_lookups = NonZeroUsize::MIN);
    same(&|config| config.max_lookups_per_client = NonZeroUsize::MIN);
    same(&|config| config.max_waiters = NonZeroUsize::MIN);
    // Another way in to the same session: the server is asked the same.
    same(&|config| config.bearer = true);
    same(&|config| config.cookie = Some("OTHER".into()));
    // A new secret for the same client.
    same(&|config| {
        config.source = introspection(
            given("https://sso.example/i"),
            ClientAuth::Basic(ClientId::from("gateway"), Secret::new("rotated".into())),
        );
    });
}

#[test]
fn the_order_of_lists_does_not_matter_and_no_secret_is_in_it() {
    let with = |clients: [&str; 2], statuses: [u16; 2]| {
        let SourceConfig::Whoami(config) = whoami("http://127.0.0.1:1/") else { unreachable!() };
        let status = statuses.map(|status| StatusCode::from_u16(status).unwrap()).to_vec();
        let no = SaysNo { status, redirect_to: None, unless: None };
        let mut session = session(SourceConfig::Whoami(WhoamiConfig { no, ..config }));
        session.accept_clients = clients.map(ClientId::from).to_vec();
        settings_bytes(&session, &ClaimsConfig::default())
    };
    assert_eq!(with(["a", "b"], [401, 403]), with(["b", "a"], [403, 401]));

    let bearer = ClientAuth::Bearer(Secret::new("our-own-token".into()));
    let bytes = settings_bytes(
        &session(introspection(given("https://sso.example/i"), bearer)),
        &ClaimsConfig::default(),
    );
    assert!(!bytes.windows(13).any(|window| window == b"our-own-token"));
}
