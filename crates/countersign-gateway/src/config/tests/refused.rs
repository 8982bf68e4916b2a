//! What is refused, where, and with which words.

use super::{FOUR, FakeEnvironment, THIRTEEN_LINES, read};
use crate::config::{Config, ConfigErrorCode as Code};

/// The faults of the thirteen lines with one line replaced (or added, if it is not there).
fn faults(line: &str, by: &str) -> Vec<(Code, String, usize, usize)> {
    let text = if line.is_empty() {
        format!("{by}\n{THIRTEEN_LINES}")
    } else {
        assert!(THIRTEEN_LINES.contains(line), "{line}");
        THIRTEEN_LINES.replace(line, by)
    };
    let errors = read(&text).map(|_| ()).expect_err(by);
    errors.errors.iter().map(|error| (error.code, error.to_string(), error.line, error.column)).collect()
}

#[test]
fn each_fault_names_place_key_value_and_form() {
    let errors = read(&THIRTEEN_LINES.replace("cookie =", "recheck = \"30\"\ncookie =")).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "/etc/countersign/gateway.toml:3:11: session.recheck: has no unit, found `\"30\"`; expected a duration from \
         `\"1s\"` to `\"1h\"` (units `ms`, `s`, `m`, `h`, `d`)"
    );
}

#[test]
fn no_client_gets_or_gives_tokens_that_pages_present_to_the_gateway() {
    let own = "https://shop.example/browser";
    for line in [format!("audience = \"{own}\""), format!("exchange = [\"{own}\"]")] {
        let text = format!(
            "internal_listen = \"127.0.0.1:8082\"\n{THIRTEEN_LINES}\n[[client]]\nid = \"orders\"\n{line}\n"
        );
        let errors = read(&text).unwrap_err().errors;
        let found =
            errors.iter().any(|error| error.code == Code::Conflict && error.to_string().contains("/browser"));
        assert!(found, "{line}: {errors:?}");
    }
}

#[test]
fn all_faults_are_found_in_one_run() {
    let text = "issuer = \"http://shop.example/\"\nlisten = 8080\n[session]\nintrospect = \"sso\"\nrecheck = \"2h\"\n[claims]\nroles = \"roles\"\n[tokens]\n[[route]]\npath = \"/a\"\n[[route]]\naudiense = \"x\"\n";
    let errors = read(text).unwrap_err();
    let found: Vec<(usize, &str, Code)> =
        errors.errors.iter().map(|e| (e.line, e.key.as_str(), e.code)).collect();
    let expected = [
        (1, "issuer", Code::InvalidValue),
        (2, "listen", Code::WrongType),
        (3, "session.client_id", Code::Missing),
        (3, "session.client_secret_file", Code::Missing),
        (3, "session.cookie", Code::Missing),
        (4, "session.introspect", Code::InvalidValue),
        (5, "session.recheck", Code::InvalidValue),
        (7, "claims.roles", Code::InvalidValue),
        (8, "tokens", Code::UnknownKey),
        (9, "route[1].audience", Code::Missing),
        (9, "route[1].upstream", Code::Missing),
        (10, "route[1].path", Code::InvalidValue),
        (11, "route[2].path", Code::Missing),
        (11, "route[2].upstream", Code::Missing),
        (12, "route[2].audiense", Code::UnknownKey),
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_empty_file_lacks_what_is_needed() {
    let errors = read("").unwrap_err();
    let keys: Vec<&str> = errors.errors.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(keys, ["issuer", "route", "session"]);
}

#[test]
fn unknown_keys_come_with_the_nearest_right_name() {
    for (line, by, nearest) in [
        ("client_secret_file", "client_secret_fiel", "client_secret_file"),
        ("client_secret_file", "client_secret", "client_secret_file"),
        ("cookie =", "cookies =", "cookie"),
        ("introspect =", "introspection =", "introspect"),
        ("audience =", "aud =", ""),
        ("upstream =", "Up-stream =", "upstream"),
        ("organisation =", "organization =", "organisation"),
        ("[claims]", "[claim]", "claims"),
        ("[[route]]", "[[routes]]", "route"),
        ("path =", "recheck = \"30s\"\npath =", "session.recheck"),
    ] {
        let text = THIRTEEN_LINES.replace(line, by);
        let errors = read(&text).unwrap_err();
        let error = errors.errors.iter().find(|error| error.code == Code::UnknownKey).expect(by);
        assert_eq!(error.nearest.as_deref().unwrap_or(""), nearest, "{by}");
    }
}

/// Line to replace, what by, code, part of the message.
const WRONG: &[(&str, &str, Code, &str)] = &[
    (
        "https://shop.example\"",
        "https://countersign-audit.invalid\"",
        Code::InvalidValue,
        "made to be refused",
    ),
    ("https://shop.example\"", "http://shop.example\"", Code::InvalidValue, "plain HTTP"),
    ("https://shop.example\"", "https://shop.example/\"", Code::InvalidValue, "ends with `/`"),
    ("https://shop.example\"", "https://shop.example/a\"", Code::InvalidValue, "path or query"),
    ("https://shop.example\"", "https://shop.example?a\"", Code::InvalidValue, "path or query"),
    ("", "listen = \"0.0.0.0:8080\"", Code::NotNamedInsecure, "insecure_listen"),
    ("", "listen = \"localhost:8080\"", Code::InvalidValue, "no IP address"),
    ("", "listen = \"127.0.0.1:8081\"", Code::Conflict, "other listener"),
    ("", "workers = 0", Code::InvalidValue, "too small"),
    ("", "workers = -1", Code::WrongType, "whole number"),
    ("", "workers = 1.5", Code::WrongType, "whole number"),
    ("", "workers = 99999999999999999999", Code::WrongType, "whole number"),
    ("", "trusted_proxies = \"10.0.0.0/8\"", Code::WrongType, "array"),
    ("", "trusted_proxies = [\"10.0.0.1/8\"]", Code::InvalidValue, "bits set"),
    ("", "trusted_proxies = [\"0.0.0.0/0\"]", Code::NotNamedInsecure, "insecure_trust_any_proxy"),
    ("", "trusted_proxies = [\"::/0\"]", Code::NotNamedInsecure, "insecure_trust_any_proxy"),
    ("", "tls = {}", Code::Missing, "certificate_file"),
    (
        "",
        "tls = { certificate_file = \"/run/secrets/key.pem\", key_file = \"/run/secrets/key.pem\" }",
        Code::InvalidValue,
        "without a PEM certificate",
    ),
    (
        "",
        "tls = { certificate_file = \"/etc/countersign/shop.pem\", key_file = \"/run/secrets/gateway\" }",
        Code::InvalidValue,
        "without a PEM private key",
    ),
    (
        "",
        "tls = { certificate_file = \"/etc/none\", key_file = \"/run/secrets/key.pem\" }",
        Code::Unreadable,
        "there is no such file",
    ),
    ("", "limits = { header_count = 101 }", Code::InvalidValue, "too large"),
    ("", "limits = { header_bytes = \"1GiB\" }", Code::InvalidValue, "too large"),
    ("", "limits = { header_bytes = true }", Code::WrongType, "not a size"),
    ("", "limits = { drain = 30 }", Code::WrongType, "not a string"),
    ("", "log = { json = \"yes\" }", Code::WrongType, "not a boolean"),
    ("", "log = 1", Code::WrongType, "not a table"),
    ("cookie = \"SESSION\"", "", Code::Missing, "bearer = true"),
    ("cookie = \"SESSION\"", "cookie = \"a b\"", Code::InvalidValue, "cannot hold"),
    ("cookie = \"SESSION\"", "cookie = \"S\"\nbearer = true", Code::NotNamedInsecure, "accept_clients"),
    (
        "cookie = \"SESSION\"",
        "cookie = \"S\"\nbearer = true\naccept_clients = []",
        Code::NotNamedInsecure,
        "insecure_any_client",
    ),
    (
        "cookie = \"SESSION\"",
        "cookie = \"S\"\ninsecure_any_client = true\naccept_clients = [\"web\"]",
        Code::Conflict,
        "contradicts",
    ),
    (
        "cookie = \"SESSION\"",
        "cookie = \"S\"\nwhoami = \"https://a.example/\"",
        Code::Conflict,
        "excludes `whoami`",
    ),
    ("cookie = \"SESSION\"", "cookie = \"S\"\nno = {}", Code::Conflict, "without `whoami`"),
    (
        "cookie = \"SESSION\"",
        "cookie = \"S\"\nno = { unless = \"userinfo.sub\" }",
        Code::InvalidValue,
        "not in the answer of `whoami`",
    ),
    ("cookie = \"SESSION\"", "cookie = \"S\"\nno = { status = [200] }", Code::InvalidValue, "400 to 499"),
    ("cookie = \"SESSION\"", "cookie = \"S\"\nno = { status = [429] }", Code::InvalidValue, "never says"),
    (
        "cookie = \"SESSION\"",
        "cookie = \"S\"\ndiscover = \"https://sso.example\"",
        Code::Conflict,
        "no effect",
    ),
    ("cookie = \"SESSION\"", "cookie = \"S\"\nuserinfo = \"discover\"", Code::Missing, "needs `discover`"),
    (
        "cookie = \"SESSION\"",
        "cookie = \"S\"\nmax_age = \"1m\"\nrecheck = \"2m\"",
        Code::Conflict,
        "longer than",
    ),
    (
        "cookie = \"SESSION\"",
        "cookie = \"S\"\nclient_auth = \"basics\"",
        Code::InvalidValue,
        "one of `\"basic\"`",
    ),
    (
        "cookie = \"SESSION\"",
        "cookie = \"S\"\nclient_auth = \"none\"",
        Code::NotNamedInsecure,
        "insecure_no_client_auth",
    ),
    ("cookie = \"SESSION\"", "cookie = \"S\"\nclient_auth = \"bearer\"", Code::Conflict, "no effect"),
    (
        "cookie = \"SESSION\"",
        "cookie = \"S\"\nclient_auth = \"private_key_jwt\"",
        Code::InvalidValue,
        "PKCS#8",
    ),
    (
        "cookie = \"SESSION\"",
        "cookie = \"S\"\nclient_secret_env = \"GATEWAY_SECRET\"",
        Code::Conflict,
        "one place",
    ),
    ("cookie = \"SESSION\"", "cookie = \"S\"\ninsecure_no_client_auth = true", Code::Conflict, "no effect"),
    ("introspect = \"https://sso.example/oauth2/introspect\"", "", Code::Missing, "`whoami`"),
    ("https://sso.example", "http://sso.example", Code::NotNamedInsecure, "insecure_http"),
    ("client_id = \"gateway\"", "", Code::Missing, "client_id"),
    ("client_secret_file = \"/run/secrets/gateway\"", "", Code::Missing, "client_secret_env"),
    (
        "client_secret_file = \"/run/secrets/gateway\"",
        "client_secret_env = \"NOT_SET\"",
        Code::Unreadable,
        "not set",
    ),
    ("/run/secrets/gateway", "/run/secrets/none", Code::Unreadable, "there is no such file"),
    ("session.authorities", "authorities", Code::InvalidValue, "does not begin"),
    ("session.authorities", "userinfo.groups", Code::Conflict, "not asked"),
    ("path = \"/orders/\"", "path = \"/orders\"", Code::InvalidValue, "does not end"),
    ("path = \"/orders/\"", "path = \"/.countersign/x/\"", Code::InvalidValue, "gateway's own"),
    ("path = \"/orders/\"", "path = \"/orders/\"\nhost = \"*.example\"", Code::InvalidValue, "wildcard"),
    ("path = \"/orders/\"", "path = \"/orders/\"\npublic = true", Code::Conflict, "`public` route"),
    ("path = \"/orders/\"", "path = \"/orders/\"\nlegacy = true", Code::Conflict, "`legacy` route"),
    ("path = \"/orders/\"", "path = \"/orders/\"\nlegacy = true\npublic = true", Code::Conflict, "one kind"),
    ("path = \"/orders/\"", "path = \"/orders/\"\nrequire = { roles = [] }", Code::InvalidValue, "is empty"),
    ("path = \"/orders/\"", "path = \"/orders/\"\nrequire = { role = [\"a\"] }", Code::UnknownKey, "`roles`"),
    ("path = \"/orders/\"", "path = \"/orders/\"\nmethods = [\"get\"]", Code::InvalidValue, "upper case"),
    ("path = \"/orders/\"", "path = \"/orders/\"\nclaims = [\"phone\"]", Code::InvalidValue, "`\"email\"`"),
    (
        "path = \"/orders/\"",
        "path = \"/orders/\"\nallow_headers = [\"x-a\"]",
        Code::InvalidValue,
        "without being named",
    ),
    (
        "path = \"/orders/\"",
        "path = \"/orders/\"\nallowed_origins = [\"*\"]",
        Code::InvalidValue,
        "no scheme",
    ),
    ("\"http://127.0.0.1:9001\"", "\"http://orders:9001\"", Code::NotNamedInsecure, "insecure_http"),
    ("\"http://127.0.0.1:9001\"", "[]", Code::Missing, "is empty"),
    (
        "\"http://127.0.0.1:9001\"",
        "[\"http://127.0.0.1\", \"http://127.0.0.1:80\"]",
        Code::Duplicate,
        "twice",
    ),
    ("audience = \"orders\"", "", Code::Missing, "audience"),
    ("audience = \"orders\"", "audience = \"or ders\"", Code::InvalidValue, "printable ASCII"),
    (
        "audience = \"orders\"",
        "audience = \"orders\"\n[[route]]\npath = \"/orders/\"\nupstream = \"http://127.0.0.1:2\"\npublic = true",
        Code::Duplicate,
        "`route[1]`",
    ),
    (
        "audience = \"orders\"",
        "audience = \"orders\"\n[[route]]\npath = \"/o/\"\nupstream = \"http://127.0.0.1:2\"\naudience = \"orders\"\nclaims = [\"email\"]",
        Code::Conflict,
        "one kind of token",
    ),
    ("[[route]]", "[route]", Code::WrongType, "[[route]]"),
    (
        "audience = \"orders\"",
        "audience = \"orders\"\n[[token.shared_secret]]\naudience = \"orders\"\nsecret_file = \"/run/secrets/gateway\"",
        Code::InvalidValue,
        "at least 32 random bytes",
    ),
    (
        "audience = \"orders\"",
        "audience = \"orders\"\n[[token.shared_secret]]\naudience = \"notes\"\nsecret_file = \"/run/secrets/notes\"",
        Code::Conflict,
        "no route",
    ),
    (
        "audience = \"orders\"",
        "audience = \"orders\"\n[[token.shared_secret]]\naudience = \"orders\"\nsecret_file = \"/run/secrets/orders\"\n[[token.shared_secret]]\naudience = \"orders\"\nsecret_file = \"/run/secrets/notes\"",
        Code::Duplicate,
        "already",
    ),
    (
        "audience = \"orders\"",
        "audience = \"orders\"\n[[token.shared_secret]]\naudience = \"orders\"\nsecret_file = \"/run/secrets/orders\"\n[[token.shared_secret]]\naudience = \"notes\"\nsecret_file = \"/run/secrets/orders\"",
        Code::Duplicate,
        "another audience",
    ),
    (
        "audience = \"orders\"",
        "audience = \"orders\"\n[token]\nalgorithm = \"HS256\"",
        Code::InvalidValue,
        "`\"ES256\"`",
    ),
    (
        "audience = \"orders\"",
        "audience = \"orders\"\n[token]\nalgorithm = \"RS256\"\nheader_budget = 512",
        Code::InvalidValue,
        "bytes",
    ),
    ("audience = \"orders\"", "audience = \"orders\"\naudience = \"notes\"", Code::Syntax, "duplicate key"),
    ("audience = \"orders\"", "audience = orders", Code::Syntax, "not TOML"),
];

/// Lines of the table above that are wrong in more than one way.
const TOGETHER: &[(&str, usize)] = &[
    ("tls = {}", 2),
    ("whoami = ", 3),
    ("no = { ", 2),
    ("client_auth = \"none\"", 3),
    ("legacy = true\npublic = true", 2),
    ("audience = \"notes\"\nsecret_file = \"/run/secrets/orders\"", 2),
];

#[test]
fn everything_wrong_is_refused_with_its_code_and_words() {
    for (line, by, code, words) in WRONG {
        let found = faults(line, by);
        let hit = found.iter().any(|(found, text, ..)| found == code && text.contains(words));
        assert!(hit, "{by}\n-> {found:#?}");
        let together = TOGETHER.iter().find(|(start, _)| by.contains(start)).map_or(1, |(_, count)| *count);
        assert_eq!(found.len(), together, "{by}\n-> {found:#?}");
    }
}

#[test]
fn secret_files_that_others_can_touch_are_refused() {
    for (mode, lines, accepted) in [
        (0o400, "", true),
        (0o640, "", true),
        (0o604, "", false),
        (0o644, "insecure_secret_files = true\n", true),
        (0o620, "insecure_secret_files = true\n", false),
        (0o602, "insecure_secret_files = true\n", false),
    ] {
        let mut environment = FakeEnvironment::usual();
        environment.add_file("/run/secrets/gateway", b"planted-client-secret", mode);
        let text = format!("{lines}{THIRTEEN_LINES}");
        let result = Config::from_toml("gateway.toml", &text, &environment, FOUR);
        assert_eq!(result.is_ok(), accepted, "{mode:o} {result:?}");
        if let Err(errors) = result {
            assert!(errors.to_string().contains(&format!("mode {mode:04o}")));
        }
    }
}

#[test]
fn what_weakens_security_is_remembered() {
    let text =
        format!("insecure_listen = true\nlisten = \"0.0.0.0:80\"\n{THIRTEEN_LINES}insecure_path = true\n");
    let config = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.insecure, ["insecure_listen", "route[1].insecure_path"]);
}

#[test]
fn a_guard_needs_somebody_to_trust_and_says_what_it_is_missing() {
    const GUARD: &str = include_str!("../../../../../docs/examples/guard.toml");
    let of = |line: &str, by: &str| {
        assert!(GUARD.contains(line), "{line}");
        let errors = read(&GUARD.replace(line, by)).map(|_| ()).expect_err(by);
        let shown: Vec<String> =
            errors.errors.iter().map(|error| format!("{} {:?}", error.key, error.code)).collect();
        shown.join(", ")
    };
    let issuer = "issuer = \"https://shop.example\"";
    for (line, by, expected) in [
        (issuer, "issuer = \"https://guard.shop.example\"", "guard.issuer Conflict"),
        (issuer, "issuer = \"http://shop.example\"", "guard.keys NotNamedInsecure"),
        (issuer, "", "guard.issuer Missing"),
        ("client_id = \"orders\"", "", "guard.client_id Missing"),
        (
            "revocations = \"https://gateway.internal:8082\"",
            "",
            "guard.client_id Conflict, guard.client_secret_file Conflict, guard.client_auth Conflict, \
             guard.on_feed_loss Conflict",
        ),
        (
            "guard = true\n",
            "",
            "claims.organisation Missing, session Missing, route[1].forward_token Conflict",
        ),
        ("guard = true\n", "guard = true\nclaims = [\"email\"]\n", "route[1].claims Conflict"),
        ("scope = [\"orders:read\"]", "scope = []", "route[1].require.scope InvalidValue"),
        ("scope = [\"orders:read\"]", "scope = [\"a b\"]", "route[1].require.scope InvalidValue"),
        ("\"basic\"", "\"post\"", "guard.client_auth InvalidValue"),
        ("\"basic\"", "\"private_key_jwt\"", "guard.client_secret_file InvalidValue"),
        ("audience = \"orders\"\n", "", "route[1].audience Missing"),
    ] {
        assert_eq!(of(line, by), expected, "{by}");
    }
    let without = faults("audience = \"orders\"", "audience = \"orders\"\nguard = true");
    assert!(
        without.len() == 1 && without[0].0 == Code::Missing && without[0].1.contains("guard: is missing"),
        "{without:?}"
    );
    let bare = read(
        "issuer = \"https://shop.example\"\n[[route]]\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\npublic = true",
    );
    assert!(bare.unwrap_err().to_string().contains(" session: is missing"));
}

#[test]
fn a_header_that_says_who_calls_means_nothing_else_and_has_one_spelling() {
    const GUARD: &str = include_str!("../../../../../docs/examples/guard.toml");
    let of = |name: &str| {
        let errors =
            read(&GUARD.replace("\"X-User-Id\"", &format!("\"{name}\""))).map(|_| ()).expect_err(name);
        let [error] = errors.errors.as_slice() else { panic!("{name}: {errors}") };
        assert_eq!(
            (error.key.as_str(), error.line, error.column),
            ("guard.headers.subject", 15, 11),
            "{name}"
        );
        error.code
    };
    for name in [
        "",
        "-",
        "1-User",
        "X_User_Id",
        "X.User",
        "X User",
        "X-User\\r\\n",
        "X-Üser",
        "Connection",
        "content-length",
        "Content-Type",
        "TE",
        "Host",
        "Transfer-Encoding",
        "Upgrade",
        "Trailer",
        "Authorization",
        "Cookie",
        "Proxy-Authorization",
        "Proxy",
        "Expect",
        "If-Match",
        "Sec-WebSocket-Key",
        "X-Forwarded-For",
        "Forwarded",
        "Countersign",
        "Countersign-Subject",
        "X-HTTP-Method-Override",
        "X-Original-URL",
        "Via",
        "Accept-Language",
    ] {
        assert_eq!(of(name), Code::InvalidValue, "{name}");
    }
    assert_eq!(of(&"x".repeat(65)), Code::InvalidValue);
    let twice = read(&GUARD.replace("\"X-User-Id\"", "\"x-roles\"")).unwrap_err().errors;
    assert!(
        twice.len() == 1 && twice[0].code == Code::Duplicate && twice[0].key == "guard.headers.roles",
        "{twice:?}"
    );
    let alias = GUARD.replace("public = true", "public = true\nallow_headers = [\"x_user.id\"]");
    let alias = read(&alias).unwrap_err().errors;
    assert!(
        alias.len() == 1 && alias[0].code == Code::Conflict && alias[0].key == "guard.headers.subject",
        "{alias:?}"
    );
    let config = read(GUARD).unwrap();
    for route in &config.routes {
        assert_eq!(route.remove_headers.len(), 10, "{}", route.path);
    }
}

#[test]
fn nobody_can_be_of_an_organisation_where_nothing_says_of_which() {
    let demands = format!("{THIRTEEN_LINES}require = {{ organisation = true }}\n");
    assert!(read(&demands).is_ok());
    let without =
        demands.lines().filter(|line| !line.starts_with("organisation = ")).collect::<Vec<_>>().join("\n");
    let errors = read(&without).unwrap_err().errors;
    assert!(
        errors.len() == 1 && errors[0].code == Code::Missing && errors[0].key == "claims.organisation",
        "{errors:?}"
    );
}
