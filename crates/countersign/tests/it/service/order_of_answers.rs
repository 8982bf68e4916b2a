use super::Service;

#[tokio::test]
async fn no_token_is_401_with_the_bare_challenge() {
    let service = Service::start().await;
    let answer = service.ask("GET", "/hello", &[], "").await;
    assert_eq!(answer.refused(), (401, "token_missing".to_owned()));
    assert_eq!(answer.challenge.as_deref(), Some("Bearer"));
    assert_eq!(answer.content_type.as_deref(), Some("application/problem+json"));
    for nothing in ["Basic YTpi", "Bearer", "bearer  ", "DPoP a.b.c"] {
        let answer = service.ask("GET", "/hello", &[nothing], "").await;
        assert_eq!(answer.refused(), (401, "token_missing".to_owned()), "{nothing}");
        assert_eq!(answer.challenge.as_deref(), Some("Bearer"), "{nothing}");
    }
}

#[tokio::test]
async fn a_token_counts_in_the_header_only() {
    let service = Service::start().await;
    let token = service.token("acme", &[]);
    let path = format!("/hello?access_token={token}");
    assert_eq!(service.ask("GET", &path, &[], "").await.refused(), (401, "token_missing".to_owned()));
    let good = service.ask("GET", "/hello", &[&format!("bearer {token}")], "").await;
    assert_eq!((good.status, &*good.body), (200, "ann"));
}

#[tokio::test]
async fn two_tokens_are_one_too_many() {
    let service = Service::start().await;
    let bearer = format!("Bearer {}", service.token("acme", &[]));
    let query = format!("/hello?page=2&{}={}", "access_token", service.token("globex", &["editor"]));
    let encoded = query.replace("access_token", "%61ccess%5ftoken");
    for (path, headers) in
        [("/hello", &[&*bearer, &*bearer][..]), (&*query, &[&*bearer]), (&*encoded, &[&*bearer])]
    {
        let answer = service.ask("GET", path, headers, "").await;
        assert_eq!(answer.refused(), (400, "token_ambiguous".to_owned()), "{path}");
        assert_eq!(answer.challenge.as_deref(), Some(r#"Bearer error="invalid_request""#), "{path}");
    }
}

#[tokio::test]
async fn a_bad_token_is_401_and_is_not_repeated() {
    let service = Service::start().await;
    let mut token = service.token("acme", &[]);
    token.replace_range(..2, "xx");
    let answer = service.ask("GET", "/hello", &[&format!("Bearer {token}")], "").await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.challenge.as_deref(), Some(r#"Bearer error="invalid_token""#));
    assert!(!answer.body.contains(&token));
}

#[tokio::test]
async fn first_401_then_403_then_404() {
    let service = Service::start().await;
    let made = service.ask_as(("acme", &["editor"]), "POST", "/orders", "tea").await;
    assert_eq!((made.status, &*made.body), (200, "tea"));

    for (path, own) in [("/orders/1", 200), ("/orders/2", 404)] {
        assert_eq!(service.ask("GET", path, &[], "").await.status, 401, "{path}");
        assert_eq!(service.ask_as(("acme", &[]), "GET", path, "").await.status, own, "{path}");
    }
    let foreign = service.ask_as(("globex", &["editor"]), "GET", "/orders/1", "").await;
    let absent = service.ask_as(("globex", &["editor"]), "GET", "/orders/2", "").await;
    assert_eq!((foreign.status, &foreign.body), (absent.status, &absent.body));

    // 403 comes before the row, and before the path is even a number.
    for path in ["/orders/1/removal", "/orders/9/removal", "/orders/x/removal"] {
        let viewer = service.ask_as(("acme", &["viewer"]), "POST", path, "").await;
        assert_eq!(viewer.refused(), (403, "role_missing".to_owned()), "{path}");
        assert_eq!(viewer.challenge.as_deref(), Some(r#"Bearer error="insufficient_scope""#));
    }
    assert_eq!(service.ask_as(("globex", &["editor"]), "POST", "/orders/1/removal", "").await.status, 404);
    assert_eq!(service.ask_as(("acme", &["editor"]), "POST", "/orders/1/removal", "").await.status, 204);
}

#[tokio::test]
async fn a_list_has_the_callers_organisation_only() {
    let service = Service::start().await;
    for (organisation, item) in [("acme", "tea"), ("globex", "coal"), ("acme", "milk")] {
        service.ask_as((organisation, &["editor"]), "POST", "/orders", item).await;
    }
    assert_eq!(service.ask_as(("acme", &[]), "GET", "/orders", "").await.body, "tea,milk");
    assert_eq!(service.ask_as(("globex", &[]), "GET", "/orders", "").await.body, "coal");
    assert_eq!(service.ask_as(("initech", &[]), "GET", "/orders", "").await.body, "");
}

#[tokio::test]
async fn without_an_organisation_there_are_no_rows() {
    let service = Service::start().await;
    let answer = service.ask_as(("", &["editor"]), "GET", "/orders", "").await;
    assert_eq!(answer.refused(), (403, "organisation_missing".to_owned()));
    assert_eq!(service.ask_as(("", &[]), "GET", "/hello", "").await.status, 200);
}
