//! Shows problems as the binary does.

use bfd_core::{Problem, SourceId};
use bfd_manifest::{Failed, Sources};
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};
use std::fmt;

/// The part of a problem that is about one file.
#[derive(Debug)]
struct Shown<'a> {
    headline: &'a str,
    problem: &'a Problem,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    elsewhere: Vec<Shown<'a>>,
    main: bool,
}

impl<'a> Shown<'a> {
    fn new(problem: &'a Problem, sources: &Sources) -> Self {
        let mut files: Vec<SourceId> = problem.labels.iter().map(|l| l.span.source).collect();
        let mut seen = Vec::new();
        files.retain(|file| {
            !seen.contains(file) && {
                seen.push(*file);
                true
            }
        });
        let mut parts = files.into_iter().map(|file| {
            let source = sources.get(file).expect("spans point into sources");
            let labels = problem.labels.iter().filter(|label| label.span.source == file);
            let label = |label: &bfd_core::Label| {
                let (start, end) = (label.span.start, label.span.end);
                assert!(source.text.get(start..end).is_some(), "a span cuts a character");
                LabeledSpan::new(Some(label.text.clone()), start, end - start)
            };
            let name = source.path.display().to_string();
            Shown {
                headline: "elsewhere",
                problem,
                source: Some(NamedSource::new(name, source.text.clone())),
                labels: labels.map(label).collect(),
                elsewhere: Vec::new(),
                main: false,
            }
        });
        let mut main = parts.next().unwrap_or(Shown {
            headline: "",
            problem,
            source: None,
            labels: Vec::new(),
            elsewhere: Vec::new(),
            main: true,
        });
        main.elsewhere = parts.collect();
        Shown { headline: &problem.headline, main: true, ..main }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.headline)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn help<'h>(&'h self) -> Option<Box<dyn fmt::Display + 'h>> {
        let help = self.problem.help.as_ref().filter(|_| self.main)?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'r>(&'r self) -> Option<Box<dyn Iterator<Item = &'r dyn Diagnostic> + 'r>> {
        if self.elsewhere.is_empty() {
            return None;
        }
        Some(Box::new(self.elsewhere.iter().map(|shown| shown as &dyn Diagnostic)))
    }
}

pub(crate) fn problems(problems: &[Problem], sources: &Sources) -> String {
    let handler =
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(80);
    let mut text = String::new();
    for problem in problems {
        handler.render_report(&mut text, &Shown::new(problem, sources)).expect("text takes all");
        text.push('\n');
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

pub(crate) fn failed(failed: &Failed) -> String {
    problems(&failed.problems, &failed.sources)
}
