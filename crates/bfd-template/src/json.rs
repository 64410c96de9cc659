//! Reads JSON, with the place of every value and key.
//!
//! `serde_json` decodes strings and numbers; what it does not tell is where a value began,
//! and that a key came twice.

use serde_json::Value;

use crate::node::{Content, Member, Node};
use crate::problem::{Place, Problem};
use crate::scalar::number;
use crate::template::DEEPEST;

/// Reads one JSON value with nothing behind it.
pub(crate) fn read(text: &str) -> Result<Node, Problem> {
    let mut reader = Reader { text, offset: 0, place: Place { line: 1, column: 1 } };
    let node = reader.value(0)?;
    reader.spaces();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.syntax("expected nothing behind the end of the template")),
    }
}

struct Reader<'text> {
    text: &'text str,
    offset: usize,
    place: Place,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn advance(&mut self) {
        match self.peek() {
            Some(b'\n') => self.place = Place { line: self.place.line + 1, column: 1 },
            // The later bytes of a character take no column.
            Some(byte) if byte & 0xC0 == 0x80 => {}
            Some(_) => self.place.column += 1,
            None => return,
        }
        self.offset += 1;
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.advance();
        }
    }

    fn syntax(&self, label: &str) -> Problem {
        syntax_at(self.place, label)
    }

    fn expect(&mut self, byte: u8, label: &str) -> Result<(), Problem> {
        self.spaces();
        if self.peek() != Some(byte) {
            return Err(self.syntax(label));
        }
        self.advance();
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Node, Problem> {
        self.spaces();
        if depth > DEEPEST {
            return Err(crate::template::too_deep(self.place));
        }
        let place = self.place;
        let content = match self.peek() {
            Some(b'{') => Content::Map(self.members(depth)?),
            Some(b'[') => Content::List(self.items(depth)?),
            Some(b'"') => Content::Scalar(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => Content::Scalar(self.number()?),
            Some(b't' | b'f' | b'n') => Content::Scalar(self.word()?),
            Some(_) => return Err(self.syntax("expected a value")),
            None => return Err(self.syntax("the template ends where a value is expected")),
        };
        Ok(Node { place, content })
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, Problem> {
        self.advance();
        let mut members = Vec::new();
        self.spaces();
        if self.peek() == Some(b'}') {
            self.advance();
            return Ok(members);
        }
        loop {
            self.spaces();
            let place = self.place;
            if self.peek() != Some(b'"') {
                return Err(self.syntax("expected a key in double quotes"));
            }
            let key = self.string()?;
            self.expect(b':', "expected a colon behind the key")?;
            let node = self.value(depth + 1)?;
            members.push(Member { key, place, node });
            self.spaces();
            match self.peek() {
                Some(b',') => self.advance(),
                Some(b'}') => {
                    self.advance();
                    return Ok(members);
                }
                _ => return Err(self.syntax("expected a comma or a closing brace")),
            }
        }
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, Problem> {
        self.advance();
        let mut items = Vec::new();
        self.spaces();
        if self.peek() == Some(b']') {
            self.advance();
            return Ok(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.spaces();
            match self.peek() {
                Some(b',') => self.advance(),
                Some(b']') => {
                    self.advance();
                    return Ok(items);
                }
                _ => return Err(self.syntax("expected a comma or a closing bracket")),
            }
        }
    }

    fn string(&mut self) -> Result<String, Problem> {
        let (start, place) = (self.offset, self.place);
        self.advance();
        loop {
            match self.peek() {
                None => return Err(syntax_at(place, "no closing quote")),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.advance();
                    self.advance();
                }
                Some(_) => self.advance(),
            }
        }
        self.advance();
        // An escape may have stepped into a character of several bytes: then it is no escape.
        let raw = self.text.get(start..self.offset);
        raw.and_then(|raw| serde_json::from_str(raw).ok()).ok_or_else(|| {
            let label = "holds an escape or a control character that JSON does not have";
            syntax_at(place, label)
        })
    }

    fn number(&mut self) -> Result<Value, Problem> {
        let (start, place) = (self.offset, self.place);
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.advance();
        }
        let raw = &self.text[start..self.offset];
        if !is_number(raw) {
            return Err(syntax_at(place, "not a number"));
        }
        Ok(number(raw).unwrap_or_else(|| Value::String(raw.to_owned())))
    }

    fn word(&mut self) -> Result<Value, Problem> {
        let rest = &self.text[self.offset..];
        for (word, value) in
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
        {
            if rest.starts_with(word) {
                (0..word.len()).for_each(|_| self.advance());
                return Ok(value);
            }
        }
        Err(self.syntax("expected a value"))
    }
}

fn syntax_at(place: Place, label: &str) -> Problem {
    let headline = "the template is not JSON";
    Problem::new("template::syntax", headline, label.to_owned()).at(place)
}

/// Whether a text is a number as JSON defines them, whatever its size.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent
            .is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}
