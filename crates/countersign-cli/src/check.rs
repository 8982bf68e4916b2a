//! `countersign check`: everything that can be known before anybody relies on a configuration.

mod advice;
mod browser;
mod cookie;
mod date;
pub(crate) mod live;
mod machine;
mod old_cookie;
mod server;
mod tokens;

use countersign::{Clock as _, SystemClock};
use countersign_gateway::config::Config;
use serde::Serialize;

use crate::{
    arguments::CheckArguments,
    check::{
        cookie::{Graded, Of},
        server::Asked,
        tokens::Tokens,
    },
    configuration,
    exit::Exit,
    fetch,
    screen::{self, Mark, Screen, wrapped},
};

/// One thing that is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Item {
    pub(crate) mark: Mark,
    pub(crate) text: String,
}

impl Item {
    pub(crate) fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, text: text.into() }
    }
}

/// Everything that is said.
#[derive(Debug, Serialize)]
struct Checked {
    file: String,
    configuration: Vec<Item>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    this_machine: Vec<Item>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_server: Vec<Item>,
    tokens: Tokens,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookie: Option<Graded>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookie_remarks: Vec<Item>,
    consequences: Vec<Item>,
    /// What was not looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_looked_at: Vec<&'static str>,
}

/// `countersign check`.
pub(crate) fn run(arguments: &CheckArguments, screen: &Screen) -> Exit {
    let config = match configuration::read(&arguments.file.config) {
        Ok(config) => config,
        Err(errors) => return configuration::refuse(&errors, screen, arguments.json),
    };
    let checked = fetch::wait(check(arguments, &config));
    let checked = match checked {
        Ok(Ok(checked)) => checked,
        Ok(Err(problem)) => return complain(&problem),
        Err(error) => return complain(&error.to_string()),
    };
    if arguments.json {
        screen::print_json(&checked);
    } else {
        screen::print(&checked.shown(*screen));
    }
    if checked.count(Mark::Fault) == 0 { Exit::Good } else { Exit::Failed }
}

fn complain(problem: &str) -> Exit {
    screen::complain(&format!("countersign check: {problem}\n"));
    Exit::Usage
}

/// Asks everybody.
///
/// # Errors
/// A file or URL of the command line that is of no use.
async fn check(arguments: &CheckArguments, config: &Config) -> Result<Checked, String> {
    let live = live::credential(&arguments.credential, config)?;
    let (asked, this_machine, not_looked_at) = if arguments.offline {
        (Asked::default(), Vec::new(), machine::left_out(config))
    } else {
        (server::ask(config, live).await, machine::look(config).await, Vec::new())
    };
    let mut tokens = tokens::make(config, asked.identity.as_ref());
    tokens.remarks.retain(|remark| !asked.items.contains(remark));
    let text = std::fs::read_to_string(&arguments.file.config).map_err(|error| error.to_string())?;
    let mut settings = advice::settings(config);
    settings.extend(advice::audit_issuer(&text));
    settings.extend(browser::settings(config));
    let (cookie, cookie_remarks) = old_cookie::grade(arguments, config, SystemClock.now()).await?;
    Ok(Checked {
        file: arguments.file.config.display().to_string(),
        configuration: settings,
        tokens,
        this_machine,
        authorization_server: asked.items,
        cookie,
        cookie_remarks,
        consequences: advice::consequences(config),
        not_looked_at,
    })
}

impl Checked {
    /// How many things have this mark. The old cookie is the old server's: it never fails the check.
    fn count(&self, mark: Mark) -> usize {
        let all = [
            &self.configuration,
            &self.this_machine,
            &self.authorization_server,
            &self.tokens.remarks,
            &self.cookie_remarks,
        ];
        all.into_iter().flatten().filter(|item| item.mark == mark).count()
    }

    fn shown(&self, screen: Screen) -> String {
        let mut text = screen.heading(&self.file).trim_start().to_owned();
        text.push_str(&items(screen, &self.configuration));
        for (heading, said) in
            [("this machine", &self.this_machine), ("authorization server", &self.authorization_server)]
        {
            if !said.is_empty() {
                text.push_str(&screen.heading(heading));
                text.push_str(&items(screen, said));
            }
        }
        text.push_str(&self.tokens.shown(screen));
        if !self.tokens.remarks.is_empty() {
            text.push_str(&screen.heading("tokens"));
            text.push_str(&items(screen, &self.tokens.remarks));
        }
        if let Some(graded) = &self.cookie {
            let of = if graded.of == Of::Value { " of its value" } else { "" };
            let heading = format!("old cookie `{}`: grade {}{of}", graded.name, graded.grade);
            text.push_str(&screen.heading(&heading));
            text.push_str(&items(screen, &graded.reasons));
        } else if !self.cookie_remarks.is_empty() {
            text.push_str(&screen.heading("old cookie"));
        }
        text.push_str(&items(screen, &self.cookie_remarks));
        text.push_str(&screen.heading("what to expect"));
        text.push_str(&items(screen, &self.consequences));
        let (faults, warnings) = (self.count(Mark::Fault), self.count(Mark::Warning));
        let mut verdict = match (faults, warnings) {
            (0, 0) => "ready".to_owned(),
            (0, warnings) => format!("ready, {}", counted(warnings, "warning")),
            (faults, warnings) => {
                format!("not ready: {}, {}", counted(faults, "fault"), counted(warnings, "warning"))
            }
        };
        if faults == 0 && !self.not_looked_at.is_empty() {
            verdict.push_str(&format!(", as far as was looked: not at {}", self.not_looked_at.join(", ")));
        }
        text.push_str(&format!("\n{}\n", screen.verdict(faults == 0, &verdict)));
        text
    }
}

fn items(screen: Screen, items: &[Item]) -> String {
    items.iter().map(|item| screen.item(item.mark, &wrapped(&item.text, 100))).collect()
}

fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
