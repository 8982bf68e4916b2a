//! What a person sees: short lines, aligned, in colours where there are any.

use std::io::{self, IsTerminal as _, Write as _};

use countersign_gateway::config::Environment;

/// Standard output and standard error as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    /// Standard output shows colours.
    pub(crate) colours: bool,
    /// Standard error is a terminal that shows colours.
    pub(crate) error_colours: bool,
    /// Standard error is a terminal.
    pub(crate) error_terminal: bool,
}

/// How good a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mark {
    /// As it should be.
    Fine,
    /// To be known.
    Note,
    /// Works, but look at it.
    Warning,
    /// Will not work, or is dangerous.
    Fault,
}

impl Mark {
    const fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Note => "note",
            Self::Warning => "warn",
            Self::Fault => "FAIL",
        }
    }

    const fn colour(self) -> &'static str {
        match self {
            Self::Fine => "32",
            Self::Note => "36",
            Self::Warning => "33",
            Self::Fault => "1;31",
        }
    }
}

impl Screen {
    /// Colours on a terminal, unless `NO_COLOR` is set (<https://no-color.org>) or the terminal is `dumb`.
    pub(crate) fn detect(environment: &dyn Environment) -> Self {
        let no_colour = environment.variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let wanted = !no_colour && environment.variable("TERM").as_deref() != Some("dumb");
        let error_terminal = io::stderr().is_terminal();
        Self {
            colours: wanted && io::stdout().is_terminal(),
            error_colours: wanted && error_terminal,
            error_terminal,
        }
    }

    /// `  ok    text`, further lines of the text below its beginning.
    pub(crate) fn item(self, mark: Mark, text: &str) -> String {
        let word = self.paint(mark.colour(), &format!("{:<4}", mark.word()));
        format!("  {word}  {}\n", text.replace('\n', "\n        "))
    }

    /// A line that begins a part.
    pub(crate) fn heading(self, text: &str) -> String {
        format!("\n{}\n", self.paint("1", text))
    }

    /// Text that is less important.
    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A verdict: green if good, red if not.
    pub(crate) fn verdict(self, good: bool, text: &str) -> String {
        self.paint(if good { "1;32" } else { "1;31" }, text)
    }

    /// Columns as wide as their longest value, under faint headings.
    pub(crate) fn columns<const N: usize>(self, headings: [&str; N], rows: &[[&str; N]]) -> String {
        let mut widths = headings.map(|heading| heading.chars().count());
        for row in rows {
            for (width, value) in widths.iter_mut().zip(row) {
                *width = (*width).max(value.chars().count());
            }
        }
        let line = |values: &[&str; N]| {
            let cells: Vec<String> =
                values.iter().zip(widths).map(|(value, width)| format!("{value:<width$}")).collect();
            cells.join("  ").trim_end().to_owned()
        };
        let mut text = format!("{}\n", self.faint(&line(&headings)));
        for row in rows {
            text.push_str(&line(row));
            text.push('\n');
        }
        text
    }

    fn paint(self, colour: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Prints to standard output. Who closed it wants no more of it.
pub(crate) fn print(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// Prints to standard error.
pub(crate) fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// One value as indented JSON on standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(&format!("{text}\n")),
        Err(error) => complain(&format!("countersign: cannot be written as JSON: {error}\n")),
    }
}

/// A value as JSON, two columns to the right.
pub(crate) fn indented(value: &serde_json::Value) -> String {
    format!("{value:#}").lines().map(|line| format!("  {line}\n")).collect()
}

/// Breaks a text into lines of at most `width` characters at spaces.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut length = 0_usize;
    for word in text.split(' ') {
        let characters = word.chars().count();
        if length > 0 && length.saturating_add(1).saturating_add(characters) > width {
            lines.push('\n');
            length = 0;
        } else if length > 0 {
            lines.push(' ');
            length = length.saturating_add(1);
        }
        lines.push_str(word);
        length = length.saturating_add(characters);
    }
    lines
}
