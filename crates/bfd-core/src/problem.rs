use std::ops::Range;

/// A file among those the manifest was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// Where in a manifest something was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub source: SourceId,
    /// Bytes of the source text.
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(source: SourceId, bytes: Range<usize>) -> Self {
        Self { source, start: bytes.start, end: bytes.end }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// Something to tell the user, with its places and a way out.
///
/// The headline names the kind of problem and holds no user-chosen names; the
/// labels point; the help offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// Stable and searchable, such as `manifest::unknown_field`.
    pub code: &'static str,
    pub headline: String,
    pub labels: Vec<Label>,
    pub help: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

impl Problem {
    pub fn error(code: &'static str, headline: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            headline: headline.into(),
            labels: Vec::new(),
            help: None,
        }
    }

    pub fn warning(code: &'static str, headline: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, headline) }
    }

    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
