//! Where the `Set-Cookie` of the old server comes from, or the value of its cookie alone.

use countersign::UnixTime;
use countersign_gateway::{config::Config, credential::CredentialKind};
use http::{Uri, header::SET_COOKIE};

use crate::{
    arguments::CheckArguments,
    check::{
        Item,
        cookie::{self, Graded},
        live,
    },
    fetch,
    screen::Mark,
};

/// Grades the old cookie from a file or a page; without either the value of a live one, and says how to have the rest
/// graded.
///
/// # Errors
/// The file or URL of the command line is of no use.
pub(crate) async fn grade(
    arguments: &CheckArguments,
    config: &Config,
    now: UnixTime,
) -> Result<(Option<Graded>, Vec<Item>), String> {
    let Some(name) = &config.session.cookie else { return Ok((None, Vec::new())) };
    if let Some(file) = &arguments.set_cookie_file {
        let text = live::read(file)?;
        return match cookie::grade(name, text.expose().lines(), now) {
            Some(graded) => Ok((Some(graded), Vec::new())),
            None => Err(format!("`{}` holds no `Set-Cookie` of `{name}`", file.display())),
        };
    }
    let Some(url) = &arguments.login_url else {
        let live = live::credential(&arguments.credential, config)?;
        let cookie = live.filter(|live| live.kind == CredentialKind::Cookie);
        let graded = cookie.map(|cookie| cookie::grade_value(name, cookie.value.expose()));
        let what = if graded.is_some() { "the rest of it" } else { "it" };
        let text = format!(
            "give its `Set-Cookie` with `--set-cookie-file`, or a page that sets it with `--login-url`, to have {what} graded"
        );
        return Ok((graded, vec![Item::new(Mark::Note, text)]));
    };
    let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no URL"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("`{url}` is no http or https URL"));
    }
    let fetched = match fetch::get(&uri).await {
        Ok(fetched) => fetched,
        Err(problem) => return Ok((None, vec![Item::new(Mark::Warning, format!("{uri} {problem}"))])),
    };
    let lines = fetched.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    Ok(match cookie::grade(name, lines, now) {
        Some(graded) => (Some(graded), Vec::new()),
        None => {
            let text = format!("{uri} answers {} and sets no cookie `{name}`", fetched.status.as_u16());
            (None, vec![Item::new(Mark::Warning, text)])
        }
    })
}
