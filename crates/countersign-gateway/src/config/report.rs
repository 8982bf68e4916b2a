//! Faults of a configuration as a terminal shows them: with the line they are in.

use std::{fmt, sync::Arc};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use crate::config::error::{ConfigError, ConfigErrors};

/// One fault with the text it is in.
#[derive(Debug, Clone)]
pub struct ConfigReport {
    error: ConfigError,
    text: Arc<NamedSource<String>>,
}

impl ConfigErrors {
    /// Each fault as a diagnostic. Their source text is [`ConfigErrors::masked_text`].
    pub fn reports(&self) -> impl Iterator<Item = ConfigReport> {
        let text = Arc::new(NamedSource::new(&self.file, self.masked_text.clone()));
        self.errors.iter().map(move |error| ConfigReport { error: error.clone(), text: Arc::clone(&text) })
    }
}

impl fmt::Display for ConfigReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.error.key.is_empty() {
            write!(f, "{} ", self.error.key)?;
        }
        f.write_str(&self.error.problem)
    }
}

impl std::error::Error for ConfigReport {}

impl Diagnostic for ConfigReport {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.error.code.as_str()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match (&self.error.nearest, &self.error.expected) {
            (Some(nearest), _) => Some(Box::new(format!("did you mean `{nearest}`?"))),
            (None, Some(expected)) => Some(Box::new(format!("expected {expected}"))),
            (None, None) => None,
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.text.inner().is_empty()).then_some(&*self.text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.text.inner().is_empty() {
            return None;
        }
        Some(Box::new(std::iter::once(LabeledSpan::underline(self.error.span.clone()))))
    }
}
