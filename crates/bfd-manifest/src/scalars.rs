use crate::{
    duration,
    fields::Reader,
    nearest::{did_you_mean, list},
    words,
};
use bfd_core::{Expr, Problem, Span};
use bfd_kinds::spec::Pattern;
use serde_json::json;

pub(crate) const OUT_OF_RANGE: &str = "manifest::out_of_range";

impl Reader<'_> {
    pub(crate) fn name(
        &mut self,
        text: String,
        (min, max): (usize, usize),
        pattern: &Pattern,
        span: &Span,
    ) -> Option<Expr> {
        let length = text.chars().count();
        let label = if !(min..=max).contains(&length) && min == max {
            format!("has {length} characters, not {min}")
        } else if !(min..=max).contains(&length) {
            format!("has {length} characters; {min} to {max} are allowed")
        } else if !(pattern.matches)(&text) {
            "not of this form".to_owned()
        } else {
            return Some(text.into());
        };
        let problem = Problem::error("manifest::malformed", "malformed value");
        let mut problem = problem.at(span.clone(), label);
        if !pattern.regex.is_empty() {
            problem.help = Some(format!("write {}", pattern.says));
        }
        self.report(problem);
        None
    }

    pub(crate) fn one_of(
        &mut self,
        text: String,
        allowed: &[&'static str],
        span: &Span,
    ) -> Option<Expr> {
        if allowed.contains(&text.as_str()) {
            return Some(text.into());
        }
        let choices = list(allowed.iter().copied());
        let help = match did_you_mean(&text, allowed.iter().copied()) {
            Some(hint) => format!("{hint} (allowed are {choices})"),
            None => format!("allowed are {choices}"),
        };
        let problem = Problem::error("manifest::not_allowed", "not an allowed value");
        self.report(problem.at(span.clone(), "not one of the allowed values").help(help));
        None
    }

    pub(crate) fn integer(
        &mut self,
        number: i64,
        (min, max): (i64, i64),
        span: &Span,
    ) -> Option<Expr> {
        if (min..=max).contains(&number) {
            return Some(Expr::Literal(json!(number)));
        }
        let label = format!("{number} is not within {}", words::within(min, max));
        let problem = Problem::error(OUT_OF_RANGE, "value out of range");
        self.report(problem.at(span.clone(), label));
        None
    }

    pub(crate) fn duration(
        &mut self,
        text: &str,
        (min, max): (u64, u64),
        span: &Span,
    ) -> Option<Expr> {
        let Some(seconds) = duration::parse(text) else {
            let problem = Problem::error("manifest::invalid_duration", "not a duration");
            let problem = problem.at(span.clone(), "not a number with a unit");
            let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
            self.report(if is_number {
                problem.help(format!("write it with a unit: `\"{text}s\"`"))
            } else {
                problem.help("write hours, minutes or seconds: `\"30s\"`, `\"5m\"`, `\"1h30m\"`")
            });
            return None;
        };
        if (min..=max).contains(&seconds) {
            return Some(Expr::Literal(json!(seconds)));
        }
        let (min, max) = (duration::show(min), duration::show(max));
        let problem = Problem::error(OUT_OF_RANGE, "value out of range");
        self.report(problem.at(span.clone(), format!("not within {min} to {max}")));
        None
    }
}
