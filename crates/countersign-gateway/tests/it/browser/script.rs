//! `client.js`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_gateway::entry::own::client_script_integrity;

use super::{field, house, verdict};

#[tokio::test]
async fn the_client_is_served_whole_and_kept_by_its_tag() {
    let house = house("").await;
    let answer = house.send("GET /.countersign/client.js", &[]).await;
    assert_eq!(verdict(&answer), ("200", None));
    assert_eq!(field(&answer, "content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(field(&answer, "cache-control"), Some("no-cache"));
    assert_eq!(field(&answer, "x-content-type-options"), Some("nosniff"));
    let script = answer.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(script, include_str!("../../../../../clients/browser/dist/countersign.js"));
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA384, script.as_bytes());
    assert_eq!(client_script_integrity(), format!("sha384-{}", STANDARD.encode(hash)));
    let tag = field(&answer, "etag").unwrap();
    for known in [tag.to_owned(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let answer = house.send("GET /.countersign/client.js", &[&format!("If-None-Match: {known}")]).await;
        assert_eq!(verdict(&answer), ("304", None), "{known}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        assert_eq!((field(&answer, "etag"), field(&answer, "cache-control")), (Some(tag), Some("no-cache")));
    }
    let other = house.send("GET /.countersign/client.js", &["If-None-Match: \"x\""]).await;
    assert_eq!(verdict(&other), ("200", None));
    let head = house.send("HEAD /.countersign/client.js", &[]).await;
    assert_eq!(field(&head, "content-length"), Some(script.len().to_string().as_str()));
    // `integrity` of a script from elsewhere is checked with CORS.
    let answer = house.send("GET /.countersign/client.js", &["Origin: https://app.example"]).await;
    assert_eq!(field(&answer, "access-control-allow-origin"), Some("https://app.example"));
    let answer = house.send("GET /.countersign/client.js", &["Origin: https://evil.example"]).await;
    assert_eq!(field(&answer, "access-control-allow-origin"), None);
}
