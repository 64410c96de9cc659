//! What an expression refers to.
//!
//! Names stand in `Ref`, `Fn::GetAtt`, `Fn::Sub`, `Fn::If` and `Fn::FindInMap`; in the last two
//! and in `Fn::GetAtt` they may be expressions themselves, which only transforms allow and
//! which therefore name nothing here.

use serde_json::Value;

use crate::intrinsics::call;
use crate::path::{Path, Step};
use crate::template::sorted;

/// The values that AWS declares in every template.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html>
pub(crate) const PSEUDO: &[&str] = &[
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `Ref`, or `${Name}` in `Fn::Sub`: a parameter or a resource.
    Value,
    /// `Fn::GetAtt`, or `${Name.Attribute}`: a resource.
    Attribute,
    /// `Fn::If`, or `Condition` in a condition.
    Condition,
    /// The first argument of `Fn::FindInMap`.
    Mapping,
}

/// A name in an expression.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'value> {
    pub(crate) kind: Kind,
    pub(crate) name: &'value str,
    /// Whether it stands in a branch of `Fn::If`, which may not be taken.
    pub(crate) in_branch: bool,
}

/// Tells every name in a value, with its path below the given one.
pub(crate) fn visit<'value>(
    value: &'value Value,
    path: &mut Path,
    tell: &mut dyn FnMut(Found<'value>, &Path),
) {
    Visitor { tell }.value(value, path, Surroundings::default());
}

/// Every name in a value, where paths do not matter.
pub(crate) fn all(value: &Value) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    visit(value, &mut Path::default(), &mut |name, _| found.push(name));
    found
}

#[derive(Clone, Copy, Default)]
struct Surroundings {
    in_branch: bool,
    /// Below `Fn::And`, `Fn::Or` or `Fn::Not`, where `Condition` is a function. Elsewhere it is
    /// an ordinary key, of policies for one.
    in_condition: bool,
}

struct Visitor<'tell, 'value> {
    tell: &'tell mut dyn FnMut(Found<'value>, &Path),
}

impl<'value> Visitor<'_, 'value> {
    fn tell(&mut self, kind: Kind, name: &'value str, path: &Path, around: Surroundings) {
        (self.tell)(Found { kind, name, in_branch: around.in_branch }, path);
    }

    fn value(&mut self, value: &'value Value, path: &mut Path, around: Surroundings) {
        match value {
            Value::Object(map) => {
                if let Some((function, argument)) = call(value) {
                    path.push_key(function);
                    self.call(function, argument, path, around);
                    path.pop();
                    return;
                }
                for (key, value) in sorted(map) {
                    path.push_key(key);
                    self.value(value, path, around);
                    path.pop();
                }
            }
            Value::Array(items) => self.items(items, 0, path, around),
            _ => {}
        }
    }

    /// The items from the given one on.
    fn items(
        &mut self,
        items: &'value [Value],
        from: usize,
        path: &mut Path,
        around: Surroundings,
    ) {
        for (index, item) in items.iter().enumerate().skip(from) {
            path.push(Step::Index(index));
            self.value(item, path, around);
            path.pop();
        }
    }

    fn call(
        &mut self,
        function: &str,
        argument: &'value Value,
        path: &mut Path,
        around: Surroundings,
    ) {
        match (function, argument) {
            ("Ref", Value::String(name)) => self.tell(Kind::Value, name, path, around),
            ("Condition", Value::String(name)) if around.in_condition => {
                self.tell(Kind::Condition, name, path, around);
            }
            ("Fn::GetAtt", Value::Array(items)) => {
                if let Some(Value::String(name)) = items.first() {
                    self.tell(Kind::Attribute, name, path, around);
                }
                self.items(items, 1, path, around);
            }
            ("Fn::Sub", Value::String(text)) => self.substitution(text, None, path, around),
            ("Fn::Sub", Value::Array(items)) => {
                if let Some(Value::String(text)) = items.first() {
                    self.substitution(text, items.get(1), path, around);
                }
                self.items(items, 1, path, around);
            }
            ("Fn::If", Value::Array(items)) => {
                if let Some(Value::String(name)) = items.first() {
                    self.tell(Kind::Condition, name, path, around);
                }
                self.items(items, 1, path, Surroundings { in_branch: true, ..around });
            }
            ("Fn::FindInMap", Value::Array(items)) => {
                if let Some(Value::String(name)) = items.first() {
                    self.tell(Kind::Mapping, name, path, around);
                }
                self.items(items, 0, path, around);
            }
            ("Fn::And" | "Fn::Or" | "Fn::Not", argument) => {
                self.value(argument, path, Surroundings { in_condition: true, ..around });
            }
            (_, argument) => self.value(argument, path, around),
        }
    }

    fn substitution(
        &mut self,
        text: &'value str,
        variables: Option<&Value>,
        path: &Path,
        around: Surroundings,
    ) {
        for name in variables_of(text) {
            if variables.is_some_and(|variables| variables.get(name).is_some()) {
                continue;
            }
            match name.split_once('.') {
                Some((resource, _)) => self.tell(Kind::Attribute, resource, path, around),
                None => self.tell(Kind::Value, name, path, around),
            }
        }
    }
}

/// The names that stand as `${Name}` in the text of `Fn::Sub`; `${!Name}` is text.
pub(crate) fn variables_of(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Variable(name) => Some(name),
        Piece::Text(_) => None,
    })
}

/// A part of the text of `Fn::Sub`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'text> {
    Text(&'text str),
    Variable(&'text str),
}

/// The text of `Fn::Sub` in pieces.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(start) = rest.find("${") else {
            return Some(Piece::Text(std::mem::take(&mut rest)));
        };
        if start > 0 {
            let (before, after) = rest.split_at(start);
            rest = after;
            return Some(Piece::Text(before));
        }
        let Some(end) = rest.find('}') else {
            return Some(Piece::Text(std::mem::take(&mut rest)));
        };
        let inner = &rest[2..end];
        let piece = if inner.starts_with('!') {
            Piece::Text(&rest[..=end])
        } else {
            Piece::Variable(inner.trim())
        };
        rest = &rest[end + 1..];
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_substitution_in_pieces() {
        let all: Vec<_> = pieces("a${B}c${!D}${E.F}${").collect();

        assert_eq!(
            all,
            [
                Piece::Text("a"),
                Piece::Variable("B"),
                Piece::Text("c"),
                Piece::Text("${!D}"),
                Piece::Variable("E.F"),
                Piece::Text("${"),
            ]
        );
    }

    #[test]
    fn names_of_every_function() {
        let value = serde_json::json!({
            "A": { "Fn::If": ["IsLarge", { "Ref": "Size" }, { "Ref": "AWS::NoValue" }] },
            "B": { "Fn::Sub": ["${Local}-${Role.Arn}", { "Local": { "Fn::GetAtt": ["Key", "Id"] } }] },
            "C": { "Fn::FindInMap": ["Regions", { "Ref": "AWS::Region" }, "Id"] },
            "Statement": { "Condition": "not a reference" },
        });

        let names: Vec<_> = all(&value).iter().map(|found| (found.kind, found.name)).collect();

        assert_eq!(
            names,
            [
                (Kind::Condition, "IsLarge"),
                (Kind::Value, "Size"),
                (Kind::Value, "AWS::NoValue"),
                (Kind::Attribute, "Role"),
                (Kind::Attribute, "Key"),
                (Kind::Mapping, "Regions"),
                (Kind::Value, "AWS::Region"),
            ]
        );
    }
}
