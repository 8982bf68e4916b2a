use http::header;
use proptest::prelude::*;

use super::{SCRIPT, comes_from_done, detour, done, is_return_path, login};
use crate::{
    config::resolved::{BrowserConfig, BrowserMode},
    entry::own::query,
    error::Refusal,
    http::{Fields, form::percent_encoded},
    testing,
};

const ORIGIN: &str = "https://shop.example";

fn config(login_url: &str) -> BrowserConfig {
    BrowserConfig {
        login_url: login_url.to_owned(),
        logout_url: None,
        mode: BrowserMode::Cookie,
        audiences: Vec::new(),
        allowed_origins: Vec::new(),
        redirect: false,
    }
}

/// Where a browser (WHATWG URL) would go: tabs and line ends are left out, spaces around are cut, `\` is `/`.
fn leaves_the_origin(path: &str) -> bool {
    let kept: String = path.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    let kept = kept.trim_matches(|c: char| c <= ' ').replace('\\', "/");
    !kept.starts_with('/') || kept.starts_with("//")
}

#[test]
fn a_return_path_is_one_of_our_own_pages() {
    for good in [
        "/",
        "/a",
        "/a/b?x=1&y=//c#d",
        "/a//b",
        "/@evil.example",
        "/%2f%2fevil.example",
        "/caf\u{e9}",
        "/a.b/...?x=/../#/./",
    ] {
        assert!(is_return_path(good), "{good}");
    }
    for bad in [
        "",
        "a",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\\b",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        " /a",
        "https://evil.example",
        "https:/evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "?x",
        "#x",
        ".",
        "/a\0",
        "/a\u{7f}",
        "/a\u{85}",
        "/.countersign/logout",
        "/./.countersign/logout",
        "/a/../.countersign/login?x",
        "/a/%2E%2e/.countersign/login",
        "/%2e/.countersign/login",
        "/..//evil.example",
        "/a/.",
        "/a/.%2e?x#y",
    ] {
        assert!(!is_return_path(bad), "{bad:?}");
        let query = format!("display=redirect&return={}", percent_encoded(bad));
        assert_eq!(done(Some(&query)).unwrap_err(), Refusal::ParameterInvalid, "{bad:?}");
        let config = config("https://sso.example/login?next={return}");
        assert_eq!(login(&config, ORIGIN, Some(&query)).unwrap_err(), Refusal::ParameterInvalid, "{bad:?}");
    }
    assert!(is_return_path(&format!("/{}", "a".repeat(2047))));
    assert!(!is_return_path(&format!("/{}", "a".repeat(2048))));
}

proptest! {
    #[test]
    fn no_return_path_leaves_our_origin(path in "[/\\\\a.:@ \\t\\n\\r\\x00?#%-]{0,8}") {
        if is_return_path(&path) {
            prop_assert!(!leaves_the_origin(&path), "{:?}", path);
        }
    }

    #[test]
    fn a_page_holds_no_markup_of_its_path(path in "/[ -~]{0,24}") {
        let query = format!("display=redirect&return={}", percent_encoded(&path));
        if let Ok(response) = done(Some(&query)) {
            let page = String::from_utf8(response.into_body().to_vec()).unwrap();
            // Every tag of the page is one of ours.
            prop_assert_eq!(page.matches('<').count(), 13, "{}", page);
            prop_assert_eq!(page.matches("</script>").count(), 1);
        }
    }

    #[test]
    fn the_log_in_page_gets_the_way_back_whole(path in "/[ -\\[\\]-~]{0,24}") {
        prop_assume!(is_return_path(&path));
        let asked = format!("display=popup&return={}", percent_encoded(&path));
        let response = login(&config("https://sso.example/login?a=1&next={return}&b=2"), ORIGIN, Some(&asked)).unwrap();
        let location = response.headers()[header::LOCATION].to_str().unwrap();
        let (_, parameters) = location.split_once('?').unwrap();
        let back = query::parameter(Some(parameters), "next").unwrap().unwrap();
        let (place, parameters) = back.split_once('?').unwrap();
        prop_assert_eq!(place, "https://shop.example/.countersign/done");
        prop_assert_eq!(query::parameter(Some(parameters), "return"), Ok(Some(path)));
        prop_assert_eq!(query::parameter(Some(parameters), "display"), Ok(Some("popup".to_owned())));
        prop_assert_eq!(query::parameter(Some(location.split_once('?').unwrap().1), "b"), Ok(Some("2".to_owned())));
    }
}

#[test]
fn the_policy_lets_our_script_run_and_nothing_else() {
    let response = done(None).unwrap();
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"));
    let page = std::str::from_utf8(response.body()).unwrap();
    assert!(page.contains(&format!("<script>{SCRIPT}</script>")), "{page}");
    assert!(
        page.contains("data-display=\"popup\" data-return=\"/\"") && page.contains("You can close this tab.")
    );
}

#[test]
fn a_display_is_one_of_two() {
    for bad in ["display=iframe", "display=", "display=popup&display=redirect"] {
        assert_eq!(done(Some(bad)).unwrap_err(), Refusal::ParameterInvalid, "{bad}");
    }
    // A log-in server adds what it likes.
    assert!(done(Some("display=popup&return=%2F&ticket=ST-1&code=%zz")).is_ok());
}

#[test]
fn who_comes_from_the_log_in_is_known() {
    for (referrer, expected) in [
        ("https://shop.example/.countersign/done?display=redirect&return=%2F", true),
        ("https://shop.example/orders/", false),
        ("https://shop.example.evil.example/.countersign/done", false),
        ("https://sso.example/.countersign/done", false),
    ] {
        assert_eq!(
            comes_from_done(&testing::fields(&[("referer", referrer)]), ORIGIN),
            expected,
            "{referrer}"
        );
    }
    assert!(!comes_from_done(&Fields::default(), ORIGIN));
}

#[test]
fn a_detour_comes_back() {
    assert_eq!(
        detour("/orders/?a=1&b").unwrap(),
        "/.countersign/login?display=redirect&return=%2Forders%2F%3Fa%3D1%26b"
    );
    assert_eq!(detour("//evil.example"), None);
    assert_eq!(detour("/.countersign/session"), None);
}
