//! Reading the few small documents that clients send.

/// The text inside the first element of a name; empty for `<name/>`.
pub(super) fn element<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    elements(document, name).into_iter().next()
}

/// The insides of every element of a name that does not lie in another one of that name.
pub(super) fn elements<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = document;
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    while let Some(start) = rest.find(&open) {
        let after = &rest[start + open.len()..];
        let Some(end) = after.find('>') else { break };
        // The beginning of a longer name.
        if !after.starts_with([' ', '>', '/', '\n', '\t', '\r']) {
            rest = after;
            continue;
        }
        let inside = &after[end + 1..];
        if after[..end].ends_with('/') {
            found.push("");
            rest = inside;
            continue;
        }
        let Some(length) = inside.find(&close) else { break };
        found.push(&inside[..length]);
        rest = &inside[length + close.len()..];
    }
    found
}

/// The text of the first element of a name, with its entities read.
pub(super) fn text(document: &str, name: &str) -> Option<String> {
    element(document, name).map(|raw| {
        raw.trim()
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&#13;", "\r")
            .replace("&#10;", "\n")
            .replace("&amp;", "&")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents() {
        let document = "<A xmlns=\"x\"><Bee>no</Bee><B>1 &amp;lt; 2</B><B/></A>";
        assert_eq!(elements(document, "B"), ["1 &amp;lt; 2", ""]);
        assert_eq!(text(document, "B").as_deref(), Some("1 &lt; 2"));
        assert_eq!(element(document, "C"), None);
        assert_eq!(element("<A><B>", "B"), None);
    }
}
