use crate::{
    node::{Entry, Node, Table, Value},
    repetition,
};
use bfd_core::{Problem, SourceId, Span};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// How the parser says that a key or a table is there twice.
const DUPLICATE: &str = "duplicate key";

/// Parses one file. Reports every syntax error the parser can recover from.
pub(crate) fn parse(source: SourceId, text: &str) -> Result<Table, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = Vec::new();
    for error in errors {
        let bytes = error.span().unwrap_or(0..0);
        // A file that ends too early is pointed at where something is, not behind it.
        let (start, end) = (floor(text, bytes.start), floor(text, bytes.end));
        let span = Span::new(source, start..end.max(start));
        let repeated = |p: &Problem| p.labels.iter().any(|l| l.span.start == span.start);
        // After an error the parser may stumble over the same place again.
        if problems.last().is_some_and(repeated) {
            continue;
        }
        if error.message().trim() == DUPLICATE {
            let problem = repetition::problem(source, text, start..end.max(start), &problems);
            problems.extend(problem);
            continue;
        }
        let message = error.message().trim().replace('\n', ", ");
        problems.push(Problem::error("manifest::syntax", "not valid TOML").at(span, message));
    }
    let mut reader = Reader { source, text, problems };
    let table = reader.table(table.into_inner());
    if reader.problems.is_empty() { Ok(table) } else { Err(reader.problems) }
}

/// The nearest place at or before `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

struct Reader<'t> {
    source: SourceId,
    text: &'t str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn table(&mut self, table: DeTable<'_>) -> Table {
        let mut entries = std::collections::BTreeMap::new();
        for (key, value) in table {
            let key_span = Span::new(self.source, key.span());
            let value = self.node(value, &key_span);
            entries.insert(key.into_inner().into_owned(), Entry { key: key_span, value });
        }
        Table { entries }
    }

    fn node(&mut self, value: Spanned<DeValue<'_>>, key: &Span) -> Node {
        let bytes = value.span();
        // Tables that only the keys around them mention have no place of their own.
        let span = if bytes.is_empty() { key.clone() } else { Span::new(self.source, bytes) };
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => {
                let Ok(number) = i64::from_str_radix(number.as_str(), number.radix()) else {
                    let problem = Problem::error("manifest::syntax", "integer too large");
                    self.problems.push(problem.at(span.clone(), "does not fit into 64 bits"));
                    return Node { value: Value::Integer(0), span };
                };
                Value::Integer(number)
            }
            DeValue::Float(number) => Value::Float(number.as_str().to_owned()),
            DeValue::Boolean(truth) => Value::Bool(truth),
            DeValue::Datetime(time) => Value::DateTime(time.to_string()),
            DeValue::Array(all) => {
                Value::List(all.into_iter().map(|value| self.node(value, key)).collect())
            }
            DeValue::Table(table) => {
                let header = self.text.get(span.start..span.end).unwrap_or_default();
                let inline = header.starts_with('{');
                let table = Value::Table(self.table(table));
                let span = if inline || header.starts_with('[') { span } else { key.clone() };
                return Node { value: table, span };
            }
        };
        Node { value, span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let text = "[service.web]\ncpu = 0x1_00\nlist = [1, 2.5]\n[service.web.network]\na = {b = true}\nc.d = 1\n";
        let table = parse(SourceId(0), text).unwrap();
        let at = |span: &Span| &text[span.start..span.end];
        let Value::Table(service) = &table.get("service").unwrap().value.value else { panic!() };
        let web = service.get("web").unwrap();
        assert_eq!(at(&web.value.span), "[service.web]");
        assert_eq!(at(&web.key), "web");
        let Value::Table(web) = &web.value.value else { panic!() };
        let cpu = web.get("cpu").unwrap();
        assert_eq!((at(&cpu.key), at(&cpu.value.span)), ("cpu", "0x1_00"));
        assert_eq!(cpu.value.value, Value::Integer(256));
        let Value::Table(network) = &web.get("network").unwrap().value.value else { panic!() };
        assert_eq!(at(&network.get("a").unwrap().value.span), "{b = true}");
        assert_eq!(at(&network.get("c").unwrap().value.span), "c");
    }

    #[test]
    fn several_syntax_errors_are_reported_in_one_pass() {
        let problems = parse(SourceId(0), "a = \nb = [1\n[c]\nd = 'x\ne = 1 2\n").unwrap_err();
        assert!(problems.len() >= 3, "{problems:#?}");
    }

    #[test]
    fn a_table_that_is_there_twice_is_one_problem_that_names_both_places() {
        let text = "[a.url]\nname = 1\nvalue = 2\n[b]\nname = 1\n[a.url] # again\nname = 3\n\
                    value = 4\n[c]\nx = 1\nx.y = 2\n\"x\" = 3\n";
        let problems = parse(SourceId(0), text).unwrap_err();
        let told: Vec<(&str, Vec<&str>)> = problems
            .iter()
            .map(|it| {
                let places = it.labels.iter().map(|label| &text[label.span.start..label.span.end]);
                (it.headline.as_str(), places.collect())
            })
            .collect();
        assert_eq!(told[0], ("a table that is there twice", vec!["url", "url"]));
        assert_eq!(problems[0].labels[1].span.start, 3, "the first place");
        assert!(problems[0].help.is_some());
        assert!(!told.iter().any(|(_, places)| places.contains(&"name")), "{told:?}");
        assert!(told[1..].iter().any(|(headline, _)| headline.starts_with("a key")), "{told:?}");
    }

    #[test]
    fn a_key_that_is_there_twice_names_the_first() {
        let text = "name = 0\n[a]\nname = 1\nother = 2\nname = 3\n";
        let problems = parse(SourceId(0), text).unwrap_err();
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert_eq!(problem.headline, "a key that is there twice");
        let places: Vec<usize> = problem.labels.iter().map(|label| label.span.start).collect();
        assert_eq!(places, [32, 13]);
    }

    #[test]
    fn a_number_that_does_not_fit_is_no_other_number() {
        let problems = parse(SourceId(0), "a = 99999999999999999999\n").unwrap_err();
        assert_eq!(problems[0].headline, "integer too large");
    }
}
