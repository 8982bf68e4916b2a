//! What `[browser]` means for those who log in and out.

use countersign_gateway::{
    config::{
        Config,
        resolved::{BrowserConfig, BrowserMode},
    },
    entry::own::Script,
};

use crate::{check::Item, moment::span, screen::Mark};

/// Nothing without the table.
pub(super) fn settings(config: &Config) -> Vec<Item> {
    let Some(browser) = &config.browser else { return Vec::new() };
    let mut items = vec![Item::new(Mark::Fine, format!("pages: log-in at {}", browser.login_url))];
    items.extend(log_out(browser));
    if browser.mode == BrowserMode::Bearer {
        let text = format!(
            "browser.mode is `bearer`: a script of the page can send its token elsewhere, where it is good for {}",
            span(config.token.lifetime)
        );
        items.push(Item::new(Mark::Note, text));
    }
    let is_on_no_route =
        |origin: &&String| !config.routes.iter().any(|route| route.allowed_origins.contains(origin));
    items.extend(browser.allowed_origins.iter().filter(is_on_no_route).map(|origin| {
        let text = format!(
            "browser.allowed_origins: {origin} is in no route's `allowed_origins`: its pages log in, and call nothing"
        );
        Item::new(Mark::Warning, text)
    }));
    items.extend(Script::ALL.map(|script| Item::new(Mark::Note, script.element())));
    items
}

fn log_out(browser: &BrowserConfig) -> Option<Item> {
    let text = "browser.logout_url is not set: a log-out is known to the gateway and the services alone. The old \
        server's session lives on, its log-in page may send its user straight back, and the cookie stays refused: the \
        answer says `server_session`: `alive` or `unknown`, and the page must tell";
    browser.logout_url.is_none().then(|| Item::new(Mark::Warning, text))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use countersign_gateway::config::{Config, SystemEnvironment};

    use super::settings;
    use crate::screen::Mark;

    fn said(browser: &str) -> Vec<(Mark, String)> {
        let text = format!(
            "issuer = \"https://shop.example\"\n[session]\ncookie = \"S\"\nwhoami = \"http://127.0.0.1:1/me\"\n{browser}\n\
             [[route]]\npath = \"/\"\nupstream = \"http://127.0.0.1:2\"\naudience = \"orders\"\n\
             allowed_origins = [\"https://app.example\"]\n"
        );
        let cores = NonZeroUsize::new(1).unwrap();
        let config = Config::from_toml("test.toml", &text, &SystemEnvironment, cores).unwrap();
        settings(&config).into_iter().map(|item| (item.mark, item.text)).collect()
    }

    fn warnings(browser: &str) -> Vec<String> {
        let all = said(browser).into_iter().filter(|(mark, _)| *mark == Mark::Warning);
        all.map(|(_, text)| text.split(':').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_missing_is_said() {
        const LOGIN: &str = "[browser]\nlogin_url = \"/login?next={return}\"\n";
        assert!(said("").is_empty());
        assert_eq!(warnings(LOGIN), ["browser.logout_url is not set"]);
        let logout = format!("{LOGIN}logout_url = \"/logout\"\n");
        assert_eq!(warnings(&logout), Vec::<String>::new());
        let app = format!("{logout}allowed_origins = [\"https://app.example\", \"https://other.example\"]\n");
        assert_eq!(warnings(&app), ["browser.allowed_origins"]);
        for script in ["client.js", "banner.js"] {
            let element = format!("<script src=\"/.countersign/{script}\" integrity=\"sha384-");
            assert!(said(&logout).iter().any(|(_, text)| text.starts_with(&element)), "{script}");
        }
        let bearer = format!("{logout}mode = \"bearer\"\n");
        assert!(said(&bearer).iter().any(|(mark, text)| *mark == Mark::Note && text.contains("good for 5")));
    }
}
