//! An authorization server whose certificate is of an authority that only this company knows.

use std::process::Command;

use crate::{
    client::Call,
    counterpart::{
        authorization_server::{AuthorizationServer, BASIC_SECRET, COOKIE},
        nginx::Nginx,
    },
    gateway::{Gateway, Setting},
    job::{ISSUER, verified},
};

/// What a command says, and whether it was content.
fn said(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn is_trusted_where_the_environment_names_it_and_named_where_it_is_not() {
    let server = AuthorizationServer::shared();
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let front = Nginx::tls_in_front_of(&server.url(""), &certificate).await;
    let service = Nginx::service().await;
    let mut setting = Setting::new();
    let authority = setting.secret_file("authority.pem", &certificate.cert.pem());
    let over_tls = format!("https://localhost:{}", front.address().port());
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let config = format!(
        "issuer = \"{ISSUER}\"\n{}[[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
        session.replace(&server.url(""), &over_tls),
        service.origin(),
    );
    let live = server.log_in("ada", "legacy-app").await;
    let cookie = setting.secret_file("cookie", &live);

    let (content, text) = said(setting.command("check", &config).args(["--cookie-file", &cookie]));
    assert!(!content, "{text}");
    assert!(text.contains("of no authority that is trusted here; `SSL_CERT_FILE`"), "{text}");
    let mut trusting = setting.command("check", &config);
    let (content, text) = said(trusting.args(["--cookie-file", &cookie]).env("SSL_CERT_FILE", &authority));
    assert!(content, "{text}");

    let mut gateway = Gateway::start_with(setting, &config, &[("SSL_CERT_FILE", &authority)]);
    gateway.keep_secret(&live);
    let call = Call::get(gateway.url("/orders/mine")).header("cookie", format!("{COOKIE}={live}"));
    let seen = call.send().await.expect(200).json();
    let claims = verified(&mut gateway, seen["authorization"].as_str().unwrap(), "orders");
    assert_eq!(claims["sub"], "ada");
    gateway.stop().await;
}
