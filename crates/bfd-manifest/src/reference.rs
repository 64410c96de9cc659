//! The manifest as a page for people.

use crate::{common, sections, words};
use bfd_kinds::{Field, KindSpec, OutputSource, Type};
use std::fmt::Write as _;

/// The manifest reference in Markdown, made from what the checks are made from.
pub fn reference(kinds: &[&'static KindSpec]) -> String {
    let mut page = Page { text: String::new() };
    page.paragraph("# Manifest reference");
    page.paragraph(
        "Generated from the descriptions that `bfd validate` checks manifests against. Do not edit.",
    );
    page.paragraph(PREFACE);
    page.paragraph("## Sections");
    page.section("`extends`", sections::EXTENDS);
    for section in sections::ALL {
        let required = if section.required { " Required." } else { "" };
        page.section(&format!("`[{}]`", section.name), &format!("{}{required}", section.doc));
        page.fields(section.fields, Columns::Plain);
    }
    page.section("`[vars]`", sections::VARS);
    page.section("`[assembly.NAME]`", sections::ASSEMBLY.doc);
    page.fields(sections::ASSEMBLY.fields, Columns::Plain);
    page.paragraph("## Every kind");
    page.paragraph("These fields may be written in the table of any resource.");
    page.fields(common::FIELDS, Columns::Plain);
    for spec in kinds {
        page.kind(spec);
    }
    page.text
}

const PREFACE: &str = "`${kind.name.output}` refers to an output of another resource, and waits for it; `${kind.name}` to its default output. `${environment.name}`, `${environment.account}`, `${environment.region}`, `${var.NAME}` and `${git.NAME}` are plain values: `git.sha`, `git.short_sha`, `git.branch` (with `-` for `/` and all that a tag cannot have), `git.time` (the commit's, `20260131T120000Z`) and `git.dirty` are those of the work tree that the manifest is in. `$${` is a literal `${`, and blanks within the braces mean nothing. References may stand in fields of the type text; everything else must be known when planning. Durations are written `\"30s\"`, `\"5m\"` or `\"1h30m\"`.";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Columns {
    Plain,
    /// With the effect of a change.
    Effect,
}

struct Page {
    text: String,
}

impl Page {
    fn paragraph(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push_str("\n\n");
    }

    fn section(&mut self, title: &str, doc: &str) {
        self.paragraph(&format!("### {title}"));
        self.paragraph(doc);
    }

    fn kind(&mut self, spec: &KindSpec) {
        self.paragraph(&format!("## {}", spec.name));
        let header = if spec.singleton {
            format!("`[{}]`: at most one, at the address `{}.main`.", spec.name, spec.name)
        } else {
            format!("`[{}.NAME]`.", spec.name)
        };
        self.paragraph(&format!("{}. {header}", spec.doc));
        self.fields(spec.fields, Columns::Effect);
        let path =
            if spec.singleton { spec.name.to_owned() } else { format!("{}.NAME", spec.name) };
        self.below(spec.fields, &path);
        self.outputs(spec);
        if !spec.actions.is_empty() {
            let actions: Vec<String> = spec.actions.iter().map(|a| format!("`{a}`")).collect();
            self.paragraph(&format!("IAM actions: {}.", actions.join(", ")));
        }
    }

    fn fields(&mut self, fields: &[Field], columns: Columns) {
        let effects = columns == Columns::Effect;
        let (title, line) = if effects { (" effect of a change |", " --- |") } else { ("", "") };
        let _ = writeln!(self.text, "| field | type | default |{title} description |");
        let _ = writeln!(self.text, "| --- | --- | --- |{line} --- |");
        for field in fields {
            let default = match field.default {
                Some(default) => format!("`{default}`"),
                None if field.required => "required".to_owned(),
                None => String::new(),
            };
            let effect = match columns {
                Columns::Plain => String::new(),
                Columns::Effect => format!(" {} |", words::effect(field.effect).unwrap_or("–")),
            };
            let _ = writeln!(
                self.text,
                "| `{}` | {} | {} |{effect} {} |",
                field.name,
                cell(&words::described(&field.ty)),
                cell(&default),
                cell(field.doc),
            );
        }
        self.text.push('\n');
    }

    /// The tables within a table, each with its own heading.
    fn below(&mut self, fields: &[Field], path: &str) {
        for field in fields {
            for (inner, suffix) in tables(&field.ty) {
                let path = format!("{path}.{}{suffix}", field.name);
                self.paragraph(&format!("### `{path}`"));
                self.fields(inner, Columns::Effect);
                self.below(inner, &path);
            }
        }
    }

    fn outputs(&mut self, spec: &KindSpec) {
        if spec.outputs.is_empty() {
            return;
        }
        self.paragraph("Outputs:");
        let _ = writeln!(self.text, "| output | known | description |\n| --- | --- | --- |");
        for output in spec.outputs {
            let known = match output.source {
                OutputSource::Input(_) => "when planning",
                OutputSource::Stable => "once the object exists",
                OutputSource::Volatile => "after each change",
                OutputSource::Open => "after each change; names are not known in advance",
            };
            let default = if spec.default_output == Some(output.name) { " (default)" } else { "" };
            let (name, doc) = (output.name, cell(output.doc));
            let _ = writeln!(self.text, "| `{name}`{default} | {known} | {doc} |");
        }
        self.text.push('\n');
    }
}

/// The tables that may be written in a field, and what stands behind its name then.
fn tables(ty: &Type) -> Vec<(&'static [Field], &'static str)> {
    match ty {
        Type::Table(fields) => vec![(fields, "")],
        Type::Tables(fields) => vec![(fields, ".NAME")],
        Type::List(item) => tables(item).into_iter().map(|(fields, _)| (fields, "[]")).collect(),
        Type::Either(one, other) => tables(one).into_iter().chain(tables(other)).collect(),
        _ => Vec::new(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
