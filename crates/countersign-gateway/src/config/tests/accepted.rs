//! What is read, and what holds when it is left out.

use std::{path::PathBuf, time::Duration};

use super::{FOUR, FakeEnvironment, THIRTEEN_LINES, read};
use crate::config::resolved::{
    ClaimRoot, ClientAuth, Config, Endpoint, Limits, Requirements, RingAlgorithm, RouteKind, SourceConfig,
    UpstreamProtocol,
};

#[test]
fn thirteen_lines_are_enough_and_every_default_is_the_stated_one() {
    assert_eq!(THIRTEEN_LINES.lines().count(), 13);
    let config = read(THIRTEEN_LINES).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.issuer, "https://shop.example");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin_listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.state_dir, PathBuf::from("/var/lib/countersign"));
    assert_eq!(config.workers, FOUR);
    assert!(config.trusted_proxies.is_empty() && config.tls.is_none() && config.insecure.is_empty());
    assert_eq!(config.limits, Limits::DEFAULT);
    assert!(config.log.json && !config.log.requests);

    let session = config.session;
    assert_eq!((session.cookie.as_deref(), session.bearer), (Some("SESSION"), false));
    assert_eq!((session.recheck, session.max_age), (Duration::from_secs(30), Duration::from_secs(8 * 3600)));
    assert_eq!((session.timeout, session.cache_entries.get()), (Duration::from_secs(2), 100_000));
    let bounds = (session.max_lookups.get(), session.max_lookups_per_client.get(), session.max_waiters.get());
    assert_eq!(bounds, (256, 32, 16_384));
    let SourceConfig::Introspection(introspection) = session.source else { panic!("introspection") };
    assert_eq!(
        introspection.endpoint,
        Endpoint::Given("https://sso.example/oauth2/introspect".parse().unwrap())
    );
    let ClientAuth::Basic(id, secret) = introspection.client_auth else { panic!("basic") };
    assert_eq!((id.as_str(), secret.expose().as_str()), ("gateway", "planted-client-secret"));

    let organisation = config.claims.organisation.unwrap();
    assert_eq!((organisation.root, organisation.steps.join(".")), (ClaimRoot::Session, "org.id".to_owned()));
    assert!(config.claims.subject.is_none() && config.claims.email.is_none());
    assert_eq!(
        (config.token.algorithm, config.token.lifetime),
        (RingAlgorithm::Es256, Duration::from_secs(300))
    );
    assert_eq!(config.token.key_lead, Duration::from_secs(24 * 3600));
    assert!(config.encryption_key.is_none());
    assert_eq!((config.token.header_budget, config.token.shared_secrets.len()), (4096, 0));

    let [route] = config.routes.as_slice() else { panic!("one route") };
    assert_eq!((route.path.as_str(), &route.host), ("/orders/", &None));
    let [upstream] = route.upstreams.as_slice() else { panic!("one upstream") };
    assert_eq!(
        (upstream.protocol, &*upstream.host, upstream.port),
        (UpstreamProtocol::Http1, "127.0.0.1", 9001)
    );
    let RouteKind::Translate(translate) = &route.kind else { panic!("translate") };
    assert_eq!(translate.audience, "orders");
    assert!(
        translate.require == Requirements::default() && !translate.with_email && !translate.with_username
    );
}

#[test]
fn a_role_can_be_bound_to_a_scope_and_a_route_can_be_silent_for_long() {
    let bound = "[[claims.role]]\nname = \"editor\"\nscope = \"orders:write\"\n[[route]]";
    let text = THIRTEEN_LINES.replace("[[route]]", bound) + "body_timeout = \"10m\"\n";
    let config = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let [bounded] = config.claims.bounded_roles.as_slice() else { panic!("one role") };
    assert_eq!((bounded.role.as_str(), &*bounded.scope), ("editor", "orders:write"));
    assert_eq!(config.routes[0].body_timeout, Some(Duration::from_secs(600)));
    for wrong in ["orders write", "", "\\\""] {
        let errors = read(&text.replace("orders:write", wrong)).unwrap_err().errors;
        let [error] = errors.as_slice() else { panic!("{wrong}: {errors:?}") };
        assert!(error.key.starts_with("claims.role") && error.key.ends_with("scope"), "{error:?}");
    }
    let twice = THIRTEEN_LINES.replace("[[route]]", &bound.replace("[[route]]", bound));
    assert!(read(&twice).unwrap_err().to_string().contains("already"));
}

fn with_session(session: &str) -> Config {
    let text = format!(
        "issuer = \"https://shop.example\"\n[session]\n{session}\n[[route]]\npath = \"/\"\nupstream = \"http://127.0.0.1:1\"\nlegacy = true\n"
    );
    read(&text).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn every_source_can_be_named() {
    let whoami = with_session(
        "cookie = \"S\"\nwhoami = \"http://localhost:8000/me\"\nwhoami_method = \"POST\"\nno = { status = [401, 403], redirect_to = \"/login\", unless = \"session.user.id\" }",
    );
    let SourceConfig::Whoami(whoami) = whoami.session.source else { panic!("whoami") };
    assert_eq!((whoami.method.as_str(), whoami.no.status.len()), ("POST", 2));
    assert_eq!(whoami.no.redirect_to.as_deref(), Some("/login"));
    assert_eq!(whoami.no.unless.as_ref().unwrap().steps, ["user", "id"]);

    let userinfo = with_session("cookie = \"S\"\nuserinfo = \"https://sso.example/me\"");
    assert!(matches!(userinfo.session.source, SourceConfig::Userinfo(_)));

    let both = with_session(
        "cookie = \"S\"\nintrospect = \"discover\"\nuserinfo = \"discover\"\ndiscover = \"https://sso.example\"\nclient_id = \"g\"\nclient_secret_env = \"GATEWAY_SECRET\"",
    );
    let SourceConfig::IntrospectionAndUserinfo(introspection, userinfo) = both.session.source else {
        panic!("both")
    };
    let found = Endpoint::Discovered("https://sso.example".into());
    assert_eq!((&introspection.endpoint, &userinfo.endpoint), (&found, &found));
    let ClientAuth::Basic(_, secret) = introspection.client_auth else { panic!("basic") };
    assert_eq!(secret.expose(), "planted-variable");

    let alone = with_session(
        "cookie = \"S\"\ndiscover = \"https://sso.example\"\nclient_id = \"g\"\nclient_secret_env = \"GATEWAY_SECRET\"",
    );
    let SourceConfig::Introspection(introspection) = alone.session.source else { panic!("introspection") };
    assert!(!introspection.require_token_type);

    let told = with_session(
        "cookie = \"S\"\nintrospect = \"http://127.0.0.1:1/i\"\nclient_auth = \"none\"\nrequire_token_type = true",
    );
    let SourceConfig::Introspection(introspection) = told.session.source else { panic!("introspection") };
    assert!(introspection.require_token_type);
}

#[test]
fn every_client_authentication_can_be_named() {
    let of = |lines: &str| {
        let text = format!("cookie = \"S\"\nintrospect = \"http://127.0.0.1:1/i\"\n{lines}");
        let SourceConfig::Introspection(introspection) = with_session(&text).session.source else {
            panic!("{lines}")
        };
        introspection.client_auth
    };
    let secret = "client_secret_file = \"/run/secrets/gateway\"\n";
    assert!(matches!(
        of(&format!("{secret}client_id = \"g\"\nclient_auth = \"post\"")),
        ClientAuth::Post(..)
    ));
    assert!(matches!(of(&format!("{secret}client_auth = \"bearer\"")), ClientAuth::Bearer(_)));
    assert!(matches!(of("client_auth = \"none\""), ClientAuth::None));
    let key =
        "client_id = \"g\"\nclient_secret_file = \"/run/secrets/key.pem\"\nclient_auth = \"private_key_jwt\"";
    assert!(matches!(of(key), ClientAuth::PrivateKeyJwt(..)));
}

#[test]
fn the_state_directory_of_systemd_is_the_default() {
    let mut environment = FakeEnvironment::usual();
    environment.variables.insert("STATE_DIRECTORY".to_owned(), "/var/lib/a:/var/lib/b".to_owned());
    let config = Config::from_toml("gateway.toml", THIRTEEN_LINES, &environment, FOUR).unwrap();
    assert_eq!(config.state_dir, PathBuf::from("/var/lib/a"));
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let mut environment = FakeEnvironment::usual();
    environment.add_file("/etc/countersign/secrets/gateway", b"s", 0o600);
    let text = THIRTEEN_LINES.replace("/run/secrets/", "secrets/");
    let config = Config::from_toml("/etc/countersign/gateway.toml", &text, &environment, FOUR);
    assert!(config.is_ok());
}

#[test]
fn no_secret_is_in_the_debug_output_of_a_configuration() {
    let text = format!(
        "{THIRTEEN_LINES}\n[[token.shared_secret]]\naudience = \"orders\"\nsecret_file = \"/run/secrets/orders\""
    );
    let config = read(&text).unwrap();
    let shown = format!("{config:?} {config:#?}");
    assert!(!shown.contains("planted") && !shown.contains("112, 108, 97, 110"));
    assert!(shown.contains("[redacted]"));
}

#[test]
fn the_operators_key_encryption_key_is_read_with_the_configuration() {
    let config = read(&format!("encryption_key_file = \"/run/secrets/kek\"\n{THIRTEEN_LINES}")).unwrap();
    let key = config.encryption_key.as_ref().unwrap();
    assert_eq!((key.place.as_str(), key.content.expose().len()), ("/run/secrets/kek", 44));
    assert!(!format!("{config:?}").contains("AAECAwQ"));
    let read_in = |line: &str| read(&format!("{line}\n{THIRTEEN_LINES}"));
    for (line, place) in [
        ("encryption_key_env = \"KEK\"", "encryption_key_env"),
        ("encryption_key_credential = \"kek\"", "/run/credentials/countersign/kek"),
    ] {
        let key = read_in(line).unwrap_or_else(|errors| panic!("{errors}")).encryption_key.unwrap();
        assert_eq!((key.place.as_str(), key.content.expose().len()), (place, 44));
    }
    for (wrong, said) in [
        ("encryption_key_env = \"KEK\"\nencryption_key_file = \"/run/secrets/kek\"", "one place"),
        ("encryption_key_credential = \"../kek\"", "not the name of a credential"),
        ("encryption_key_credential = \"none\"", "there is no such file"),
        ("encryption_key_env = \"NONE\"", "not set"),
        (
            "encryption_key_file = \"/run/secrets/gateway\"",
            "encryption_key_file: does not hold 32 bytes in Base64: make a key with `openssl rand -base64 32`",
        ),
        ("encryption_key_env = \"GATEWAY_SECRET\"", "encryption_key_env: does not hold 32 bytes in Base64"),
    ] {
        assert!(read_in(wrong).unwrap_err().to_string().contains(said), "{wrong}");
    }
}

#[test]
fn the_guide_of_the_guard_shows_a_configuration_that_is_accepted() {
    let guide = include_str!("../../../../../docs/guard.md");
    let shown = guide.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(shown.lines().count() <= 10, "{shown}");
    let config = read(shown).unwrap_or_else(|errors| panic!("{errors}"));
    let guard = config.guard.unwrap();
    assert_eq!((guard.issuer.as_str(), guard.feed.is_none()), ("https://shop.example", true));
    assert!(matches!(config.session.source, SourceConfig::Nobody));
    let RouteKind::Guard(route) = &config.routes[0].kind else { panic!("{:?}", config.routes) };
    assert_eq!((route.audience.as_str(), route.require.roles.len()), ("reports", 1));
}
