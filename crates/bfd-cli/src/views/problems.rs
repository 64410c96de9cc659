//! What is wrong with a manifest: everything at once, each thing in its place.

use super::{
    Style,
    layout::{GLUE, Page, styled, with_whole_commands},
    palette,
    words::count,
};
use bfd_core::{Label, Problem, Severity, SourceId, Span};
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};
use std::{borrow::Cow, collections::BTreeMap, fmt};
use textwrap::{WordSeparator, WordSplitter, core::Word};

/// Finds the name and the text of a file; nothing for a file that is not known.
pub type Sources<'a> = &'a dyn Fn(SourceId) -> Option<(Cow<'a, str>, &'a str)>;

/// Renders all problems in the order given, and how many there are.
pub fn problems(problems: &[Problem], sources: Sources<'_>, style: &Style) -> String {
    let theme = match (style.unicode, style.color) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, true) => GraphicalTheme::ascii(),
        (false, false) => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(style.width)
        .with_links(false)
        .with_context_lines(1)
        .with_word_separator(WordSeparator::Custom(words))
        .with_word_splitter(WordSplitter::NoHyphenation)
        .with_break_words(false)
        .tab_width(4);
    let mut page = Page::new(style);
    for problem in problems {
        let mut text = String::new();
        // Writing to a string cannot fail; a source that cannot be read is reported in the text.
        let _ = handler.render_report(&mut text, &Report::new(problem, sources));
        page.blank();
        page.raw(&tidied(&text));
    }
    if !problems.is_empty() {
        let errors = problems.iter().any(|problem| problem.severity == Severity::Error);
        let color = if errors { palette::BAD } else { palette::CAUTION };
        page.blank();
        page.line(0, 2, &[styled(color, total(problems))]);
    }
    page.finish()
}

/// Words end at spaces alone: addresses, paths and ARNs have hyphens and slashes, and are copied.
/// A command is one word. What is longer than a line goes on beyond it; a terminal that breaks
/// it there copies it whole.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let whole = with_whole_commands(line);
    let mut at = 0;
    let mut words = Vec::new();
    for part in whole.split_inclusive(' ') {
        // The glue is longer than the space it stands for.
        let long = part.chars().map(|c| if c == GLUE { 1 } else { c.len_utf8() }).sum::<usize>();
        words.push(Word::from(&line[at..at + long]));
        at += long;
    }
    Box::new(words.into_iter())
}

/// `found 8 problems`; warnings among them are told apart.
fn total(problems: &[Problem]) -> String {
    let warnings = problems.iter().filter(|problem| problem.severity == Severity::Warning).count();
    match (problems.len() - warnings, warnings) {
        (errors, 0) => format!("found {}", count(errors, "problem")),
        (0, warnings) => format!("found {}", count(warnings, "warning")),
        (errors, warnings) => format!(
            "found {}: {} and {}",
            count(errors + warnings, "problem"),
            count(errors, "error"),
            count(warnings, "warning")
        ),
    }
}

/// Without trailing spaces, and without the severity that miette writes above a
/// related report: it is a second place, not a second problem.
fn tidied(text: &str) -> String {
    let text = text.replace("\nAdvice: \n", "\n");
    let lines = text.trim_start_matches('\n').lines();
    lines.map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A problem as miette wants it: one source per report, the others as related reports.
struct Report {
    headline: String,
    code: Option<&'static str>,
    severity: miette::Severity,
    help: Option<String>,
    /// What its labels say that have no place.
    because: Option<Placeless>,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    related: Vec<Report>,
}

impl Report {
    fn new(problem: &Problem, sources: Sources<'_>) -> Self {
        let mut by_source: BTreeMap<SourceId, Vec<&Label>> = BTreeMap::new();
        let is_somewhere = |label: &&Label| label.span != Span::default();
        for label in problem.labels.iter().filter(is_somewhere) {
            by_source.entry(label.span.source).or_default().push(label);
        }
        // The first label is the place itself; the others say what it has to do with it.
        let first = problem.labels.iter().find(is_somewhere).map(|label| label.span.source);
        let elsewhere = problem.labels.iter().filter(|label| !is_somewhere(label));
        let elsewhere: Vec<&str> = elsewhere.map(|label| label.text.as_str()).collect();
        let labels = first.and_then(|first| by_source.remove(&first));
        let mut report = Self {
            headline: problem.headline.clone(),
            code: Some(problem.code),
            severity: match problem.severity {
                Severity::Error => miette::Severity::Error,
                Severity::Warning => miette::Severity::Warning,
            },
            help: problem.help.clone(),
            because: (!elsewhere.is_empty()).then(|| Placeless(elsewhere.join("; "))),
            source: None,
            labels: Vec::new(),
            related: Vec::new(),
        };
        if let (Some(id), Some(labels)) = (first, labels) {
            report.point(id, &labels, sources);
        }
        for (id, labels) in by_source {
            let mut elsewhere = Self {
                headline: "together with".to_owned(),
                code: None,
                severity: miette::Severity::Advice,
                help: None,
                because: None,
                source: None,
                labels: Vec::new(),
                related: Vec::new(),
            };
            elsewhere.point(id, &labels, sources);
            report.related.push(elsewhere);
        }
        report
    }

    fn point(&mut self, id: SourceId, labels: &[&Label], sources: Sources<'_>) {
        let Some((name, text)) = sources(id) else {
            return;
        };
        self.labels = labels.iter().map(|label| labeled(label, text)).collect();
        self.source = Some(NamedSource::new(name, text.to_owned()));
    }
}

/// A span within the text, on character boundaries; a stale span must not hide the message.
fn labeled(label: &Label, text: &str) -> LabeledSpan {
    let within = |at: usize| text.floor_char_boundary(at.min(text.len()));
    let start = within(label.span.start);
    let end = within(label.span.end).max(start);
    let says = (!label.text.is_empty()).then(|| label.text.clone());
    LabeledSpan::new(says, start, end - start)
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline)
    }
}

impl std::error::Error for Report {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.because.as_ref().map(|because| because as _)
    }
}

/// What is said of something that no manifest has, such as a resource of an earlier run.
#[derive(Debug)]
struct Placeless(String);

impl fmt::Display for Placeless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Placeless {}

impl Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code?))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.help.as_ref()?))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.labels.is_empty() {
            return None;
        }
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.related.is_empty() {
            return None;
        }
        Some(Box::new(self.related.iter().map(|report| report as &dyn Diagnostic)))
    }
}
