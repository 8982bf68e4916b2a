//! Reads the configuration and shows what is wrong with it.

use std::{fmt::Write as _, num::NonZeroUsize, path::Path, thread};

use countersign_gateway::config::{Config, ConfigErrors, SystemEnvironment, reference, schema};
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde_json::{Value, json};

use crate::{
    arguments::{ConfigArguments, ConfigWhat},
    exit::Exit,
    screen::{self, Screen},
};

/// Reads a configuration; its faults go to standard error.
pub(crate) fn load(file: &Path, screen: &Screen) -> Result<Config, Exit> {
    read(file).map_err(|errors| refuse(&errors, screen, false))
}

/// Shows the faults: on standard error for a person, on standard output for a machine.
pub(crate) fn refuse(errors: &ConfigErrors, screen: &Screen, as_json: bool) -> Exit {
    if as_json {
        let faults: Vec<Value> = errors
            .errors
            .iter()
            .map(|error| {
                json!({
                    "code": error.code.as_str(), "key": error.key, "line": error.line, "column": error.column,
                    "problem": error.problem, "found": error.found, "expected": error.expected,
                    "nearest": error.nearest,
                })
            })
            .collect();
        screen::print_json(&json!({ "file": errors.file, "faults": faults }));
    } else {
        screen::complain(&shown(errors, screen));
    }
    Exit::Usage
}

/// Reads a configuration.
pub(crate) fn read(file: &Path) -> Result<Config, ConfigErrors> {
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Config::from_file(file, &SystemEnvironment, cores)
}

/// `countersign config`.
pub(crate) fn print(arguments: &ConfigArguments) -> Exit {
    screen::print(&match arguments.what {
        ConfigWhat::Reference => reference::markdown(),
        ConfigWhat::Schema => schema::json(),
    });
    Exit::Good
}

/// With the lines of the file on a terminal; one line for each fault elsewhere.
fn shown(errors: &ConfigErrors, screen: &Screen) -> String {
    let mut text = String::new();
    if screen.error_terminal {
        let theme =
            if screen.error_colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme);
        for report in errors.reports() {
            if handler.render_report(&mut text, &report).is_err() {
                let _ = writeln!(text, "{report}");
            }
        }
    } else {
        let _ = writeln!(text, "{errors}");
    }
    let count = errors.errors.len();
    let faults = if count == 1 { "fault" } else { "faults" };
    let _ = writeln!(text, "{count} {faults} in {}", errors.file);
    text
}
