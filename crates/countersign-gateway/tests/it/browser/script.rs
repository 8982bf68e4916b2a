//! `client.js` and `banner.js`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_gateway::entry::own::Script;

use super::{field, house, verdict};

const BUILT: [(Script, &str); 2] = [
    (Script::Client, include_str!("../../../../../clients/browser/dist/countersign.js")),
    (Script::Banner, include_str!("../../../../../clients/browser/dist/countersign-banner.js")),
];

#[tokio::test]
async fn each_script_is_served_whole_and_kept_by_its_tag() {
    let house = house("").await;
    let mut tags = std::collections::BTreeSet::new();
    for (script, built) in BUILT {
        let path = format!("/.countersign/{}", script.name());
        let get = format!("GET {path}");
        let answer = house.send(&get, &[]).await;
        assert_eq!(verdict(&answer), ("200", None));
        assert_eq!(field(&answer, "content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(field(&answer, "cache-control"), Some("no-cache"));
        assert_eq!(field(&answer, "x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, built);
        let hash = STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA384, built.as_bytes()));
        assert_eq!(script.integrity(), format!("sha384-{hash}"));
        let element = format!("<script src=\"{path}\" integrity=\"sha384-{hash}\"></script>");
        assert_eq!(script.element(), element);
        let tag = field(&answer, "etag").unwrap();
        tags.insert(tag.to_owned());
        for known in [tag.to_owned(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let answer = house.send(&get, &[&format!("If-None-Match: {known}")]).await;
            assert_eq!(verdict(&answer), ("304", None), "{known}");
            assert!(answer.ends_with("\r\n\r\n"), "{answer}");
            assert_eq!(
                (field(&answer, "etag"), field(&answer, "cache-control")),
                (Some(tag), Some("no-cache"))
            );
        }
        let other = house.send(&get, &["If-None-Match: \"x\""]).await;
        assert_eq!(verdict(&other), ("200", None));
        let head = house.send(&format!("HEAD {path}"), &[]).await;
        assert_eq!(field(&head, "content-length"), Some(built.len().to_string().as_str()));
        // `integrity` of a script from elsewhere is checked with CORS.
        let answer = house.send(&get, &["Origin: https://app.example"]).await;
        assert_eq!(field(&answer, "access-control-allow-origin"), Some("https://app.example"));
        let answer = house.send(&get, &["Origin: https://evil.example"]).await;
        assert_eq!(field(&answer, "access-control-allow-origin"), None);
        let post = house.send(&format!("POST {path}"), &["Content-Length: 0"]).await;
        assert_eq!(verdict(&post), ("405", Some("method_not_allowed")));
    }
    assert_eq!(tags.len(), BUILT.len());
}
