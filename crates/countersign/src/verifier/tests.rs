use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use super::{ClaimPaths, Organisations, Revocable, Revocations, Standing, Verifier, VerifierError};
use crate::{
    ClaimName, Clock, KeyId, KeySet, KeySource, PublishedKeys, TokenRefusal, UnixTime,
    jws::{Algorithm, VerifyingKey},
    rule::Rule,
    testkit::{TestIssuer, TestKey},
};

/// Counts how often an unknown key was asked for.
#[derive(Debug)]
struct Counting {
    published: Arc<PublishedKeys>,
    unknown: AtomicUsize,
}

impl KeySource for Counting {
    fn published(&self) -> &PublishedKeys {
        &self.published
    }

    fn handle_unknown_key(&self, _: &KeyId) {
        self.unknown.fetch_add(1, Ordering::SeqCst);
    }
}

/// Answers what it was told to.
#[derive(Debug)]
struct Told(Mutex<Standing>);

impl Revocations for Arc<Told> {
    fn standing(&self, token: &Revocable<'_>) -> Standing {
        assert_eq!((token.subject.as_str(), token.issuer.as_str()), ("ada", TestIssuer::ISSUER));
        *self.0.lock().unwrap()
    }
}

#[test]
fn a_good_token_says_everything() {
    let issuer = TestIssuer::new("orders");
    let token = issuer
        .token()
        .subject("ada")
        .organisation("acme")
        .roles(["editor", "viewer"])
        .scope("orders:read orders:write")
        .session("s1")
        .claim("preferred_username", "ada.l")
        .claim("email", "ada@acme.test")
        .claim("plan", json!({"tier": 3}))
        .claim("act", json!({"sub": "support", "act": {"sub": "robot", "iss": "https://r.test"}}))
        .sign();
    let verifier = issuer.verifier();
    for _ in 0..2 {
        let claims = verifier.verify(&token).unwrap();
        assert_eq!(claims.issuer(), &TestIssuer::ISSUER);
        assert_eq!((claims.subject().as_str(), claims.audience().as_str()), ("ada", "orders"));
        assert_eq!(claims.organisation().unwrap().as_str(), "acme");
        assert_eq!(claims.roles(), ["editor", "viewer"]);
        assert_eq!(claims.scopes().collect::<Vec<_>>(), ["orders:read", "orders:write"]);
        assert!(claims.has_scope("orders:read") && !claims.has_scope("orders"));
        assert_eq!(claims.session().unwrap().as_str(), "s1");
        assert_eq!((claims.username(), claims.email()), (Some("ada.l"), Some("ada@acme.test")));
        assert_eq!(claims.claim("plan"), Some(&json!({"tier": 3})));
        assert_eq!(claims.claim("sub"), None);
        assert_eq!(claims.actors()[0].subject.as_str(), "support");
        assert_eq!(claims.actors()[1].issuer.as_ref().unwrap().as_str(), "https://r.test");
        assert_eq!(claims.expires().saturating_since(claims.issued_at()), TestIssuer::LIFETIME);
        assert_eq!(claims.header().key_id(), TestKey::Es256.key_id());
        assert_eq!(claims.client().as_str(), "web");
    }
}

#[test]
fn every_published_algorithm_verifies() {
    for key in TestKey::PUBLISHED {
        let issuer = TestIssuer::new("orders").signing_with(key);
        issuer.verifier().verify(issuer.token().sign()).unwrap();
    }
}

#[test]
fn a_token_seen_before_still_expires_and_still_has_to_begin() {
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier();
    let start = issuer.clock().now();
    let token = issuer.token().claim("nbf", start.as_secs()).sign();
    verifier.verify(&token).unwrap();
    for (moment, expected) in [
        (start.saturating_add(Duration::from_secs(304)), None),
        (start.saturating_sub(Duration::from_secs(5)), None),
        (start.saturating_sub(Duration::from_secs(6)), Some(TokenRefusal::TokenNotYetValid)),
        (start.saturating_add(Duration::from_secs(305)), Some(TokenRefusal::TokenExpired)),
        (start, None),
    ] {
        issuer.clock().set(moment);
        assert_eq!(verifier.verify(&token).err(), expected, "{moment}");
    }
}

#[test]
fn a_token_seen_before_dies_with_its_key() {
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier();
    let token = issuer.token().sign();
    verifier.verify(&token).unwrap();

    issuer.published().publish(TestKey::set(&[TestKey::Rs256, TestKey::Es256]), None);
    verifier.verify(&token).unwrap();
    issuer.published().publish(TestKey::set(&[TestKey::Rs256]), None);
    Rule::KeyStillPublished.switched_off(|| verifier.verify(&token).unwrap());
    issuer.published().publish(TestKey::set(&[TestKey::Ps256]), None);
    assert_eq!(verifier.verify(&token).unwrap_err(), TokenRefusal::KeyUnknown);
    issuer.published().publish(TestKey::set(&[TestKey::Es256]), None);
    verifier.verify(&token).unwrap();
}

/// The name of a key that was taken out may be given to another one.
#[test]
fn a_token_seen_before_dies_when_its_key_s_name_is_another_s() {
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier();
    let token = issuer.token().sign();
    verifier.verify(&token).unwrap();

    let name = TestKey::Es256.key_id().unwrap().clone();
    let other = TestKey::Es256OfOther.signing_key().public_jwk().unwrap().with_key_id(name);
    let keys = KeySet::new([VerifyingKey::from_jwk(other).unwrap()]).unwrap();
    issuer.published().publish(keys, None);
    assert_eq!(verifier.verify(&token).unwrap_err(), TokenRefusal::KeyUnknown);
    assert_eq!(verifier.verify(&token).unwrap_err(), TokenRefusal::SignatureInvalid);
}

/// Names that tokens have in common are kept once; where they differ, each token has its own.
#[test]
fn what_another_token_says_is_not_said_by_this_one() {
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier();
    for (client, organisation, role) in [
        ("web", "acme", "editor"),
        ("app", "globex", "admin"),
        ("we", "acm", "edit"),
        ("web", "acme", "editor"),
    ] {
        let token =
            issuer.token().claim("client_id", client).organisation(organisation).roles([role, "viewer"]);
        let claims = verifier.verify(token.sign()).unwrap();
        assert_eq!(claims.claims().client_id.as_str(), client);
        assert_eq!(claims.organisation().unwrap().as_str(), organisation);
        assert_eq!(claims.roles().iter().map(|role| role.as_str()).collect::<Vec<_>>(), [role, "viewer"]);
    }
}

#[test]
fn a_token_that_is_refused_takes_no_place_in_the_memory() {
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier();
    let token = issuer.token().sign();
    verifier.verify(&token).unwrap();
    let now = issuer.clock().now();

    // That is nobody's fault, and may pass.
    issuer.published().keep_until(Some(now));
    verifier.verify(&token).unwrap_err();
    assert_eq!(verifier.0.seen.len(), 1);
    issuer.published().keep_until(None);
    issuer.clock().set(now.saturating_add(Duration::from_secs(305)));
    assert_eq!(verifier.verify(&token).unwrap_err(), TokenRefusal::TokenExpired);
    assert_eq!(verifier.0.seen.len(), 0);
}

#[test]
fn without_keys_nobody_is_blamed() {
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier();
    let (token, other) = (issuer.token().sign(), issuer.token().sign());
    verifier.verify(&token).unwrap();
    let now = issuer.clock().now();
    issuer.published().keep_until(Some(now));
    for token in [&token, &other] {
        let refusal = verifier.verify(token).unwrap_err();
        assert_eq!(refusal, TokenRefusal::KeysUnavailable);
        assert_eq!(refusal.status(), http::StatusCode::SERVICE_UNAVAILABLE);
    }
    issuer.published().keep_until(Some(now.saturating_add(Duration::from_secs(1))));
    verifier.verify(&token).unwrap();
    issuer.published().publish(TestKey::set(&[]), None);
    assert_eq!(verifier.verify(&token).unwrap_err(), TokenRefusal::KeysUnavailable);
}

#[test]
fn only_a_well_formed_token_makes_us_look_for_keys() {
    let issuer = TestIssuer::new("orders");
    let source =
        Arc::new(Counting { published: Arc::clone(issuer.published()), unknown: AtomicUsize::new(0) });
    let verifier = Verifier::builder()
        .issuer(TestIssuer::ISSUER)
        .audience("orders")
        .keys(Arc::clone(&source))
        .clock(issuer.clock().clone())
        .build()
        .unwrap();
    let unknown = || source.unknown.load(Ordering::SeqCst);
    for quiet in
        ["a.b.c", "eyJhbGciOiJub25lIiwia2lkIjoieCJ9.e30.AA", "eyJhbGciOiJIUzI1NiIsImtpZCI6IngifQ.e30.AA"]
    {
        verifier.verify(quiet).unwrap_err();
    }
    verifier.verify(issuer.token().sign()).unwrap();
    assert_eq!(unknown(), 0);
    let stranger = TestIssuer::new("orders").signing_with(TestKey::Es256OfOther).token().sign();
    assert_eq!(verifier.verify(stranger).unwrap_err(), TokenRefusal::KeyUnknown);
    assert_eq!(unknown(), 1);
}

#[test]
fn revocation_reaches_a_token_seen_before() {
    let issuer = TestIssuer::new("orders");
    let told = Arc::new(Told(Mutex::new(Standing::Good)));
    let verifier = issuer.verifier_builder().revocations(Arc::clone(&told)).build().unwrap();
    let token = issuer.token().subject("ada").sign();
    for (standing, expected) in [
        (Standing::Good, None),
        (Standing::Unknown, Some(TokenRefusal::RevocationsUnavailable)),
        (Standing::Revoked, Some(TokenRefusal::TokenRevoked)),
        (Standing::Revoked, Some(TokenRefusal::TokenRevoked)),
        (Standing::Good, None),
    ] {
        *told.0.lock().unwrap() = standing;
        assert_eq!(verifier.verify(&token).err(), expected, "{standing:?}");
    }
}

#[test]
fn the_memory_of_tokens_is_bounded_and_can_be_off() {
    let issuer = TestIssuer::new("orders");
    for capacity in [0, 4] {
        let verifier = issuer.verifier_builder().seen_before(capacity).build().unwrap();
        for _ in 0..50 {
            verifier.verify(issuer.token().sign()).unwrap();
        }
        assert!(verifier.0.seen.len() <= capacity, "{capacity}: {}", verifier.0.seen.len());
    }
}

#[test]
fn another_spelling_of_a_token_seen_before_is_another_token() {
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier();
    let token = issuer.token().sign();
    verifier.verify(&token).unwrap();
    for other in [format!("{token}="), format!("{token} "), format!(" {token}"), format!("{token}.")] {
        assert_eq!(verifier.verify(&other).unwrap_err(), TokenRefusal::TokenMalformed, "{other}");
    }
}

#[test]
fn each_issuer_has_its_own_keys_and_audience() {
    let ours = TestIssuer::new("orders");
    let verifier = ours
        .verifier_builder()
        .organisations(Organisations::Any)
        .issuer("https://other.test")
        .audience("shop/orders")
        .key_set(TestKey::set(&TestKey::OF_OTHER))
        .organisations(Organisations::Any)
        .build()
        .unwrap();
    verifier.verify(ours.token().sign()).unwrap();
    let theirs = |token: crate::testkit::TestToken<'_>| token.claim("iss", "https://other.test").sign();
    let other = TestIssuer::new("shop/orders").signing_with(TestKey::Es256OfOther);
    assert_eq!(verifier.verify(theirs(other.token())).unwrap().issuer(), &"https://other.test");

    let wrong_audience = theirs(other.token().audience("orders"));
    assert_eq!(verifier.verify(wrong_audience).unwrap_err(), TokenRefusal::AudienceMismatch);
    // Our keys, their name; and their keys, our name.
    assert_eq!(verifier.verify(theirs(ours.token())).unwrap_err(), TokenRefusal::KeyUnknown);
    assert_eq!(verifier.verify(other.token().sign()).unwrap_err(), TokenRefusal::KeyUnknown);
    for (token, expected) in [
        (ours.token().claim("iss", "https://third.test"), TokenRefusal::IssuerUnknown),
        (ours.token().without("iss"), TokenRefusal::ClaimMissing(ClaimName::Issuer)),
        (
            ours.token().claim("iss", json!([TestIssuer::ISSUER])),
            TokenRefusal::ClaimMalformed(ClaimName::Issuer),
        ),
    ] {
        assert_eq!(verifier.verify(token.sign()).unwrap_err(), expected);
    }
}

#[test]
fn a_verifier_that_makes_no_sense_is_not_built() {
    let issuer = TestIssuer::new("orders");
    let complete = || issuer.verifier_builder();
    assert_eq!(complete().leeway(Duration::from_secs(61)).build().unwrap_err(), VerifierError::LeewayTooLong);
    let complete = || complete().organisations(Organisations::Any);
    let twice = complete().issuer(TestIssuer::ISSUER).audience("x").shared_secret(TestKey::shared_secret());
    assert!(matches!(twice.build().unwrap_err(), VerifierError::DuplicateIssuer(_)));
    let none = complete().issuer("https://other.test").audience("x").shared_secrets([]);
    assert_eq!(none.build().unwrap_err(), VerifierError::Secrets);
    let unsaid = complete()
        .organisations(Organisations::Any)
        .issuer("https://other.test")
        .audience("x")
        .shared_secret(TestKey::shared_secret());
    assert_eq!(unsaid.build().unwrap_err(), VerifierError::OrganisationsUnsaid("https://other.test".into()));
    let deep = ["a"; ClaimPaths::MAX_DEPTH + 1];
    for path in [&[][..], &["sub"], &["aud", "roles"], &[""; 9], &deep] {
        let paths = ClaimPaths::default().organisation(path.iter().copied());
        let refused = complete().claim_paths(paths).build().unwrap_err();
        assert_eq!(refused, VerifierError::ClaimPath(TestIssuer::ISSUER.into()), "{path:?}");
    }
    let empty = complete().issuer("https://other.test").audience("").shared_secret(TestKey::shared_secret());
    assert_eq!(empty.build().unwrap_err(), VerifierError::Empty);
}

#[test]
fn options_do_what_they_say() {
    let issuer = TestIssuer::new("orders");
    let long =
        issuer.token().expires(issuer.clock().now().saturating_add(Duration::from_secs(86_401))).sign();
    assert_eq!(issuer.verifier().verify(&long).unwrap_err(), TokenRefusal::TokenLivesTooLong);
    let patient = issuer.verifier_builder().max_lifetime(Duration::from_secs(86_401)).build().unwrap();
    patient.verify(&long).unwrap();

    let untyped = issuer.token().typ("JWT").sign();
    assert_eq!(issuer.verifier().verify(&untyped).unwrap_err(), TokenRefusal::TokenOfOtherType);
    let lax = issuer.verifier_builder().accept_type("application/JWT").build().unwrap();
    lax.verify(&untyped).unwrap();

    let listed =
        issuer.token().claim("status", json!({"status_list": {"idx": 7, "uri": "https://x.test/1"}}));
    let lax = issuer.verifier_builder().dangerous_ignore_status().build().unwrap();
    let found = lax.verify(listed.clone().sign()).unwrap();
    assert_eq!(found.claim("status").unwrap()["status_list"]["idx"], 7);
    assert_eq!(issuer.verifier().verify(listed.sign()).unwrap_err(), TokenRefusal::TokenStatusUnchecked);

    let token = issuer.token().sign();
    let small = issuer.verifier_builder().max_token_bytes(token.len() - 1).build().unwrap();
    assert_eq!(small.verify(&token).unwrap_err(), TokenRefusal::TokenTooLarge);

    let strict = issuer.verifier_builder().leeway(Duration::ZERO).build().unwrap();
    strict.verify_at(token.as_bytes(), issuer.clock().now()).unwrap();
    let end = issuer.clock().now().saturating_add(TestIssuer::LIFETIME);
    assert_eq!(strict.verify_at(token.as_bytes(), end).unwrap_err(), TokenRefusal::TokenExpired);
    assert_eq!(strict.verify_at(token.as_bytes(), UnixTime::MAX).unwrap_err(), TokenRefusal::TokenExpired);
}

#[test]
fn a_shared_secret_verifies_its_own_algorithm_only() {
    let issuer = TestIssuer::new("orders").signing_with(TestKey::Hs256);
    let shared = Verifier::builder()
        .issuer(TestIssuer::ISSUER)
        .audience("orders")
        .shared_secret(TestKey::shared_secret())
        .clock(issuer.clock().clone())
        .build()
        .unwrap();
    let token = issuer.token().sign();
    shared.verify(&token).unwrap();
    shared.verify(&token).unwrap();
    // Neither kind of verifier takes the other kind of token.
    assert_eq!(issuer.verifier().verify(&token).unwrap_err(), TokenRefusal::AlgorithmMismatch);
    let asymmetric = TestIssuer::new("orders").token().sign();
    assert_eq!(shared.verify(asymmetric).unwrap_err(), TokenRefusal::AlgorithmMismatch);
    assert_eq!(TestKey::Hs256.algorithm(), Algorithm::Hs256);
}

#[test]
fn what_a_token_was_exchanged_for_is_read_or_refused_and_never_absent() {
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier();
    let of = |from: serde_json::Value| verifier.verify(issuer.token().claim("derived_from", from).sign());
    let claims = of(json!(["parent", "root"])).unwrap();
    assert_eq!(claims.derived_from(), ["parent", "root"]);
    assert!(verifier.verify(issuer.token().sign()).unwrap().derived_from().is_empty());
    let many: Vec<String> = (0..17).map(|n| n.to_string()).collect();
    for bad in [json!("parent"), json!(null), json!([""]), json!([1]), json!({}), json!(many)] {
        let malformed = TokenRefusal::ClaimMalformed(ClaimName::DerivedFrom);
        assert_eq!(of(bad.clone()).unwrap_err(), malformed, "{bad}");
    }
}

/// An issuer whose administrators may call an organisation what they like reads nobody else's rows.
#[test]
fn an_issuer_names_only_the_organisations_it_may() {
    let ours = TestIssuer::new("orders");
    let other = TestIssuer::new("orders").named("https://other.test").signing_with(TestKey::Es256OfOther);
    let trusting = |organisations: Organisations| {
        ours.verifier_builder()
            .organisations(Organisations::Any)
            .issuer("https://other.test")
            .audience("orders")
            .key_set(TestKey::set(&TestKey::OF_OTHER))
            .organisations(organisations)
            .build()
            .unwrap()
    };
    let partner = trusting(Organisations::only(["partner", "globex"]).unwrap());
    let of = |issuer: &TestIssuer, name: &str| issuer.token().organisation(name).sign();
    for name in ["acme", "partner"] {
        partner.verify(of(&ours, name)).unwrap();
    }
    for name in ["partner", "globex"] {
        assert_eq!(partner.verify(of(&other, name)).unwrap().organisation().unwrap().as_str(), name);
    }
    for name in ["acme", "Partner", "partner2"] {
        let refused = partner.verify(of(&other, name)).unwrap_err();
        assert_eq!(refused, TokenRefusal::OrganisationNotOfIssuer, "{name}");
    }
    partner.verify(other.token().sign()).unwrap();
    let nobody = trusting(Organisations::Only(Vec::new()));
    assert_eq!(nobody.verify(of(&other, "x")).unwrap_err(), TokenRefusal::OrganisationNotOfIssuer);
    nobody.verify(other.token().sign()).unwrap();
    trusting(Organisations::Any).verify(of(&other, "acme")).unwrap();
    assert!(Organisations::only(["*"]).is_err());
    let alone =
        ours.verifier_builder().organisations(Organisations::only(["acme"]).unwrap()).build().unwrap();
    assert_eq!(alone.verify(of(&ours, "globex")).unwrap_err(), TokenRefusal::OrganisationNotOfIssuer);
}

#[test]
fn what_every_token_must_name_is_demanded_of_every_token() {
    let issuer = TestIssuer::new("orders");
    let strict = issuer.verifier_builder().require_session().require_organisation().build().unwrap();
    let token = || issuer.token().organisation("acme").session("s1");
    for _ in 0..2 {
        strict.verify(token().sign()).unwrap();
    }
    let missing = TokenRefusal::ClaimMissing(ClaimName::SessionId);
    assert_eq!(strict.verify(token().without("sid").sign()).unwrap_err(), missing);
    let nowhere = strict.verify(token().without("organisation").sign()).unwrap_err();
    assert_eq!((nowhere, nowhere.status().as_u16()), (TokenRefusal::OrganisationMissing, 403));
    issuer.verifier().verify(issuer.token().without("sid").sign()).unwrap();
}

#[test]
fn roles_and_organisation_are_where_the_issuer_writes_them_and_nowhere_else() {
    let issuer = TestIssuer::new("orders");
    let verifier = |paths: ClaimPaths| issuer.verifier_builder().claim_paths(paths).build().unwrap();
    let keycloak =
        verifier(ClaimPaths::default().roles(["realm_access", "roles"]).organisation(["organisation", "id"]));
    let token = || issuer.token().claim("organisation", json!({"id": "acme"}));
    let claims = keycloak.verify(token().claim("realm_access", json!({"roles": ["editor"]})).sign()).unwrap();
    assert_eq!((claims.roles(), claims.organisation().unwrap().as_str()), (&["editor".into()][..], "acme"));
    // The usual places are claims like any other now.
    let claims = keycloak.verify(token().role("admin").sign()).unwrap();
    assert!(claims.roles().is_empty());
    assert_eq!(claims.claim("roles"), Some(&json!(["admin"])));
    let claims = keycloak.verify(issuer.token().claim("organisation", json!({})).sign()).unwrap();
    assert_eq!(claims.organisation(), None);

    let malformed = TokenRefusal::ClaimMalformed(ClaimName::Roles);
    for bad in [json!("editor"), json!(null), json!([]), json!({"roles": "editor"}), json!({"roles": [1]})] {
        let refused = keycloak.verify(token().claim("realm_access", bad.clone()).sign()).unwrap_err();
        assert_eq!(refused, malformed, "{bad}");
    }
    for bad in [json!("acme"), json!(null), json!({"id": ["acme"]}), json!({"id": ""}), json!({"id": "*"})] {
        let refused = keycloak.verify(issuer.token().claim("organisation", bad.clone()).sign()).unwrap_err();
        assert_eq!(refused, TokenRefusal::OrganisationInvalid, "{bad}");
    }
    let namespaced = verifier(ClaimPaths::default().roles(["https://shop.example/roles"]));
    let token = issuer.token().organisation("acme").claim("https://shop.example/roles", json!(["editor"]));
    let claims = namespaced.verify(token.sign()).unwrap();
    assert_eq!((claims.roles(), claims.organisation().unwrap().as_str()), (&["editor".into()][..], "acme"));
}
