//! The audit logs in at the gateway as people do, and looks at the demo through it.

use std::path::Path;

use countersign_audit::{
    Options, Quiet, Report, Settings, Supply, parse_document,
    report::{html, junit, sarif, terminal},
    run,
};
use countersign_demo::{COOKIE, PASSWORD, RunningDemo};

use crate::gateway::start;

/// What the document cannot say, with two users who can log in, and where `orders` is past the gateway.
fn settings(orders: &str) -> String {
    format!(
        r#"
across = ["GET /orders/everywhere"]
[token]
supply = "gateway"
[organisations.a]
id = "acme"
[organisations.b]
id = "globex"
canaries = ["Reactor coolant"]
[objects.order]
create = "POST /orders/"
body = {{ item = "{{canary}}", quantity = 1 }}
[paths."/orders/{{id}}"]
id = "order"
[allow]
"GET /openapi.json" = "public"
[gateway]
cookie = "{COOKIE}"
echo = "GET /orders/received"
direct = ["{orders}"]
[gateway.login]
url = "/login"
[gateway.users.ann]
organisation = "a"
roles = ["viewer", "editor"]
password_env = "PASSWORD"
[gateway.users.bob]
organisation = "b"
roles = ["viewer", "editor"]
password_env = "PASSWORD"
[gateway.users.sue]
roles = ["support"]
password_env = "PASSWORD"
"#
    )
}

fn options(demo: &RunningDemo, settings: &str, password: &str) -> Options {
    let openapi = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/services/openapi/orders.json");
    let document = parse_document("orders.json", &std::fs::read(openapi).unwrap()).unwrap();
    let settings = Settings::parse("audit.toml", settings).unwrap();
    let mut options =
        Options::for_target(demo.gateway_url()).document(document).settings(settings).supply(Supply::Gateway);
    options.environment.insert("PASSWORD".to_owned(), password.to_owned());
    options.patience = 5;
    options
}

fn told(report: &Report) -> Vec<String> {
    let findings = report.findings.iter();
    findings
        .map(|finding| format!("{} {} {}: {}", finding.id, finding.method, finding.path, finding.reason))
        .collect()
}

#[tokio::test]
async fn the_demo_is_clean_behind_its_gateway_and_a_log_out_counts_at_once() {
    let (demo, gateway) = start().await;
    let settings = settings(demo.orders_url());
    let mut options = options(&demo, &settings, PASSWORD);
    options.control_socket = Some(demo.folder().join("state/control.sock"));
    let report = run(options, &mut Quiet).await.unwrap();
    gateway.drain();
    assert_eq!(told(&report), Vec::<String>::new(), "{}", terminal(&report, false));
    assert!(report.coverage.decided > 120, "{:?}", report.coverage);
    let [log_out] = &report.log_out[..] else { panic!("{:?}", report.notes) };
    assert_eq!(log_out.service, "GET /orders/");
    assert!(log_out.milliseconds.is_some_and(|took| took <= 1_000), "{log_out:?}");
    // Nothing that the gateway or the old server gave away is kept.
    for text in [report.json(), html(&report), junit(&report), sarif(&report), terminal(&report, true)] {
        assert!(!text.contains(&format!("{COOKIE}=ey")) && !text.contains("\"set-cookie\": \"S"), "{text}");
    }
}

#[tokio::test]
async fn who_cannot_log_in_ends_the_audit_before_it_begins() {
    let (demo, gateway) = start().await;
    let refused = run(options(&demo, &settings(demo.orders_url()), "wrong"), &mut Quiet).await.unwrap_err();
    gateway.drain();
    assert_eq!(refused.exit_code(), 3);
    let text = refused.to_string();
    assert!(
        text.contains("`ann` cannot log in") && text.contains(&format!("sets no cookie `{COOKIE}`")),
        "{text}"
    );
    assert!(!text.contains("wrong"), "{text}");
}
