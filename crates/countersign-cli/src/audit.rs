//! `countersign audit`: proves that every endpoint refuses what it must.

mod database;
mod options;
mod progress;
mod write;

use std::path::Path;

use countersign_audit::{AuditError, Keys, Severity, report};

use self::progress::Bar;
use crate::{
    arguments::{AuditArguments, AuditCommand, AuditInitArguments},
    exit::Exit,
    fetch,
    screen::{self, Screen},
};

/// `countersign audit`.
pub(crate) fn run(arguments: &AuditArguments, screen: &Screen) -> Exit {
    match &arguments.command {
        Some(AuditCommand::Db(arguments)) => database::run(arguments),
        Some(AuditCommand::Init(arguments)) => init(arguments),
        None => audit(arguments, *screen),
    }
}

fn fail(error: &AuditError) -> Exit {
    screen::complain(&format!("countersign audit: {error}\n"));
    Exit::Code(error.exit_code())
}

fn audit(arguments: &AuditArguments, screen: Screen) -> Exit {
    if let Some(file) = &arguments.write_jwks
        && arguments.spec.is_none()
        && arguments.routes.is_none()
        && arguments.config.is_none()
    {
        return match write_key_set(arguments.key.as_deref(), file) {
            Ok(()) => Exit::Good,
            Err(error) => fail(&error),
        };
    }
    let done = fetch::wait(async {
        let options = options::from_arguments(arguments).await?;
        let mut bar = Bar::new(screen, arguments.quiet);
        let report = countersign_audit::run(options, &mut bar).await;
        bar.end();
        report
    });
    let report = match done {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => return fail(&error),
        Err(source) => return fail(&AuditError::Io { what: "no runtime".to_owned(), source }),
    };
    if !arguments.quiet {
        screen::print(&report::terminal(&report, screen.colours));
    }
    for (file, text) in write::reports(arguments, &report) {
        if let Err(error) = write::file(file, &text) {
            return fail(&error);
        }
    }
    let fail_on = Severity::from(arguments.fail_on);
    Exit::Code(report.exit_code(fail_on, arguments.min_coverage))
}

/// The key set alone, for a service that is started before the audit.
fn write_key_set(key: Option<&Path>, file: &Path) -> Result<(), AuditError> {
    let key = key.ok_or_else(|| {
        AuditError::Usage(
            "`--write-jwks` alone needs `--key FILE`: without it the private keys would be gone with this command"
                .to_owned(),
        )
    })?;
    write::file(file, &Keys::of_file(key)?.key_set_json())
}

/// `countersign audit init`.
fn init(arguments: &AuditInitArguments) -> Exit {
    let document = fetch::wait(options::document(arguments.spec.as_deref(), arguments.routes.as_deref()));
    let document = match document {
        Ok(Ok(document)) => document,
        Ok(Err(error)) => return fail(&error),
        Err(source) => return fail(&AuditError::Io { what: "no runtime".to_owned(), source }),
    };
    let text = countersign_audit::first_settings(&document);
    match &arguments.out {
        None => screen::print(&text),
        Some(file) if file.exists() && !arguments.force => {
            return fail(&AuditError::Usage(format!(
                "{} is there already: --force overwrites it",
                file.display()
            )));
        }
        Some(file) => {
            if let Err(error) = write::file(file, &text) {
                return fail(&error);
            }
        }
    }
    Exit::Good
}
