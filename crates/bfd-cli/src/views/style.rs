/// For whom to write: decided once at the edge, so that views stay functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns to wrap at.
    pub width: usize,
    /// Whether escape sequences are understood. Colour never carries meaning alone.
    pub color: bool,
    /// Whether characters outside ASCII can be shown.
    pub unicode: bool,
}

impl Style {
    /// For pipes and files: no colour, 80 columns.
    pub const PLAIN: Self = Self { width: 80, color: false, unicode: true };

    pub(crate) fn symbols(&self) -> &'static Symbols {
        if self.unicode { &UNICODE } else { &ASCII }
    }
}

/// The characters that carry meaning.
#[derive(Debug)]
pub(crate) struct Symbols {
    pub(crate) create: &'static str,
    pub(crate) update: &'static str,
    pub(crate) delete: &'static str,
    pub(crate) replace: &'static str,
    pub(crate) adopt: &'static str,
    /// Between a value and the one that takes its place.
    pub(crate) becomes: &'static str,
    pub(crate) done: &'static str,
    pub(crate) failed: &'static str,
    pub(crate) undone: &'static str,
    pub(crate) working: &'static str,
    pub(crate) warning: &'static str,
    pub(crate) more: &'static str,
}

const UNICODE: Symbols = Symbols {
    create: "+",
    update: "~",
    delete: "-",
    replace: "±",
    adopt: "→",
    becomes: "→",
    done: "✓",
    failed: "✗",
    undone: "↩",
    working: "·",
    warning: "!",
    more: "…",
};

const ASCII: Symbols = Symbols {
    create: "+",
    update: "~",
    delete: "-",
    replace: "-/+",
    adopt: ">",
    becomes: "->",
    done: "ok",
    failed: "FAILED",
    undone: "undone",
    working: "..",
    warning: "!",
    more: "...",
};
