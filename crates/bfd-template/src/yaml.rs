//! Reads YAML, with the place of every value and key.
//!
//! CloudFormation reads YAML 1.1 without merges (`<<`) and without the tags for binary, ordered
//! maps, pairs, sets and timestamps. It refuses aliases as well ("YAML aliases are not allowed
//! in CloudFormation templates"); tools that send the template on as JSON resolve them before.
//! So they are resolved here, and where they are is kept for [the checks](crate::checks).
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html>

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput, Tag};
use serde_json::Value;

use crate::intrinsics;
use crate::node::{Content, Member, Node};
use crate::problem::{Place, Problem};
use crate::scalar::plain;
use crate::template::{DEEPEST, too_deep};

/// How many values aliases may stand for altogether.
///
/// A template of the largest size has fewer; a few lines of aliases to aliases have more
/// than fit into memory.
const MOST_FROM_ALIASES: usize = 100_000;

/// What one document holds.
pub(crate) struct Document {
    pub(crate) node: Node,
    /// Where aliases are.
    pub(crate) aliases: Vec<Place>,
    /// What is wrong with it without being an error of syntax.
    pub(crate) problems: Vec<Problem>,
}

/// Reads one YAML document.
pub(crate) fn read(text: &str) -> Result<Document, Problem> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        place: Place { line: 1, column: 1 },
        anchors: BTreeMap::new(),
        from_aliases: 0,
        aliases: Vec::new(),
        problems: Vec::new(),
    };
    let mut node = None;
    loop {
        match reader.next()? {
            Event::StreamEnd => break,
            Event::DocumentStart(_) if node.is_some() => {
                return Err(reader.syntax("a second document begins here"));
            }
            Event::DocumentStart(_) => {
                let event = reader.next()?;
                node = Some(reader.node(event, 0)?);
            }
            _ => {}
        }
    }
    let node = node.unwrap_or_else(|| Node::scalar(reader.place, Value::Null));
    Ok(Document { node, aliases: reader.aliases, problems: reader.problems })
}

/// An anchored value with its size.
struct Anchored {
    node: Node,
    count: usize,
    depth: usize,
}

struct Reader<'text> {
    parser: Parser<'text, StrInput<'text>>,
    place: Place,
    anchors: BTreeMap<usize, Anchored>,
    from_aliases: usize,
    aliases: Vec<Place>,
    problems: Vec<Problem>,
}

fn place(marker: &Marker) -> Place {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Place { line: number(marker.line()), column: number(marker.col().saturating_add(1)) }
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<Event<'text>, Problem> {
        match self.parser.next_event() {
            None => Ok(Event::StreamEnd),
            Some(Ok((event, span))) => {
                self.place = place(&span.start);
                Ok(event)
            }
            Some(Err(error)) => {
                self.place = place(error.marker());
                Err(self.syntax(error.info()))
            }
        }
    }

    fn syntax(&self, label: &str) -> Problem {
        let headline = "the template is not YAML";
        Problem::new("template::syntax", headline, label.to_owned()).at(self.place)
    }

    fn node(&mut self, event: Event<'text>, depth: usize) -> Result<Node, Problem> {
        if depth > DEEPEST {
            return Err(too_deep(self.place));
        }
        let place = self.place;
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(place, &text, style, tag.as_deref()))
            }
            Event::SequenceStart(anchor, tag) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        event => items.push(self.node(event, depth + 1)?),
                    }
                }
                (anchor, self.tagged(Node::list(place, items), tag.as_deref()))
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Map(self.members(depth)?);
                (anchor, self.tagged(Node { place, content }, tag.as_deref()))
            }
            Event::Alias(anchor) => return self.alias(anchor, depth),
            _ => return Err(self.syntax("expected a value")),
        };
        if anchor != 0 {
            let (count, depth) = node.size();
            self.anchors.insert(anchor, Anchored { node: node.clone(), count, depth });
        }
        Ok(node)
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, Problem> {
        let mut members = Vec::new();
        loop {
            let event = self.next()?;
            let place = self.place;
            let key = match event {
                Event::MappingEnd => return Ok(members),
                Event::Scalar(_, _, _, Some(tag)) if !tag.is_yaml_core_schema() => {
                    return Err(self.syntax("a function cannot be a key"));
                }
                Event::Scalar(text, style, anchor, _) => {
                    if style == ScalarStyle::Plain && text == "<<" {
                        self.merge(place);
                    }
                    if anchor != 0 {
                        let node = Node::text(place, &text);
                        self.anchors.insert(anchor, Anchored { node, count: 1, depth: 0 });
                    }
                    text.into_owned()
                }
                Event::Alias(anchor) => match self.alias(anchor, depth + 1)?.content {
                    Content::Scalar(Value::String(text)) => text,
                    Content::Scalar(value) => value.to_string(),
                    Content::List(_) | Content::Map(_) => {
                        return Err(self.syntax("a key must be text"));
                    }
                },
                _ => return Err(self.syntax("a key must be text")),
            };
            let event = self.next()?;
            let node = self.node(event, depth + 1)?;
            members.push(Member { key, place, node });
        }
    }

    fn merge(&mut self, place: Place) {
        self.problems.push(
            Problem::new(
                "template::merge",
                "merge keys are not supported",
                "CloudFormation takes `<<` for a key like any other".to_owned(),
            )
            .at(place)
            .help("write the members out"),
        );
    }

    fn alias(&mut self, anchor: usize, depth: usize) -> Result<Node, Problem> {
        let place = self.place;
        self.aliases.push(place);
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(self.syntax("an alias inside of what it stands for"));
        };
        self.from_aliases = self.from_aliases.saturating_add(anchored.count);
        if self.from_aliases > MOST_FROM_ALIASES {
            let problem = Problem::new(
                "template::aliases",
                "aliases stand for too much",
                format!("more than {MOST_FROM_ALIASES} values come from aliases"),
            );
            return Err(problem.at(place));
        }
        if depth + anchored.depth > DEEPEST {
            return Err(too_deep(place));
        }
        Ok(Node { place, ..anchored.node.clone() })
    }

    fn scalar(&mut self, place: Place, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Node {
        let is_plain = style == ScalarStyle::Plain;
        match tag {
            None if is_plain => Node::scalar(place, plain(text)),
            None => Node::text(place, text),
            Some(tag) if tag.is_yaml_core_schema() => {
                let node = match tag.suffix.as_str() {
                    "bool" | "float" | "int" | "null" => Node::scalar(place, plain(text)),
                    _ => Node::text(place, text),
                };
                self.tagged(node, Some(tag))
            }
            // The argument of a function is text: `!Ref 1` names the resource "1".
            Some(tag) => self.tagged(Node::text(place, text), Some(tag)),
        }
    }

    /// A short function as its long form; what is wrong with the tag is noted and left out.
    fn tagged(&mut self, node: Node, tag: Option<&Tag>) -> Node {
        let Some(tag) = tag else { return node };
        if tag.is_yaml_core_schema() {
            if matches!(tag.suffix.as_str(), "binary" | "omap" | "pairs" | "set" | "timestamp") {
                let label = format!("CloudFormation does not know `!!{}`", tag.suffix);
                self.problems
                    .push(Problem::new("template::tag", "unsupported tag", label).at(node.place));
            }
            return node;
        }
        // A lone `!` only says that the scalar is text.
        let name = tag.suffix.trim_start_matches('!');
        if name.is_empty() {
            return node;
        }
        let plain = node.clone();
        intrinsics::apply(name, node).unwrap_or_else(|problem| {
            self.problems.push(problem);
            plain
        })
    }
}
