//! Where output goes, and for whom it is written.

use crate::{cli::Color, host, views::Style};
use anstream::{AutoStream, ColorChoice};
use std::{
    io::{self, IsTerminal, Write},
    sync::OnceLock,
};

/// Data goes to stdout, the rest to stderr; each knows whether it is a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    color: Color,
    unicode: bool,
}

/// Columns when nothing tells: wide enough for a diff, narrow enough for a log.
const DEFAULT_WIDTH: usize = 100;

/// Wider than any line.
const UNBROKEN: usize = u16::MAX as usize;

/// The first failure to write data. A process has one stdout.
static UNWRITTEN: OnceLock<String> = OnceLock::new();

impl Screen {
    pub fn new(color: Color) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(host::variable);
        let unicode = locale.is_none_or(|name| {
            let name = name.to_ascii_lowercase();
            !matches!(name.as_str(), "c" | "posix") || name.contains("utf")
        });
        Self { color, unicode }
    }

    fn choice(self, stream: &impl IsTerminal) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                host::variable("NO_COLOR").is_none()
                    && host::variable("TERM").as_deref() != Some("dumb")
                    && (stream.is_terminal() || host::variable("CLICOLOR_FORCE").is_some())
            }
        }
    }

    pub fn stdout_style(&self) -> Style {
        let color = self.choice(&io::stdout());
        Style { width: width(), color, unicode: self.unicode }
    }

    /// For what is one line each: where nobody looks at a terminal, such as in a pipe, no line is
    /// broken, so that whatever reads them finds one thing in each. `COLUMNS` asks for it.
    pub fn list_style(&self) -> Style {
        let style = self.stdout_style();
        if io::stdout().is_terminal() || columns().is_some() {
            return style;
        }
        Style { width: UNBROKEN, ..style }
    }

    pub fn stderr_style(&self) -> Style {
        let color = self.choice(&io::stderr());
        Style { width: width(), color, unicode: self.unicode }
    }

    /// Whether somebody watches progress.
    pub fn is_watched(&self) -> bool {
        io::stderr().is_terminal()
            && host::variable("CI").is_none()
            && host::variable("TERM").as_deref() != Some("dumb")
    }

    /// Whether a question can be answered.
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Writes data. A reader that went away (`| head`) is not an error; what else hinders is kept
    /// for the end of the command, for what was begun is not given up because of it.
    pub fn data(&self, text: &str) {
        let stream = AutoStream::new(io::stdout(), choice(self.choice(&io::stdout())));
        if let Err(error) = write(stream, text)
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            UNWRITTEN.get_or_init(|| error.to_string());
        }
    }

    /// Why not all of the data was written, if it was not.
    pub fn unwritten(&self) -> Option<&'static str> {
        UNWRITTEN.get().map(String::as_str)
    }

    /// Writes everything else.
    pub fn say(&self, text: &str) {
        let _ = write(AutoStream::new(io::stderr(), choice(self.choice(&io::stderr()))), text);
    }

    /// The stream for everything else, for those who write bit by bit.
    pub fn stderr(&self) -> AutoStream<io::Stderr> {
        AutoStream::new(io::stderr(), choice(self.choice(&io::stderr())))
    }

    /// Asks, and takes nothing but the exact answer for a yes.
    pub fn confirmed(&self, question: &str, answer: &str) -> bool {
        self.say(question);
        let mut line = String::new();
        io::stdin().read_line(&mut line).is_ok() && line.trim() == answer
    }
}

fn choice(color: bool) -> ColorChoice {
    if color { ColorChoice::Always } else { ColorChoice::Never }
}

fn write(mut stream: impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    if !text.ends_with('\n') && !text.ends_with(' ') && !text.is_empty() {
        stream.write_all(b"\n")?;
    }
    stream.flush()
}

/// Rows and columns of the terminal, whatever `COLUMNS` says.
pub fn size() -> (u16, u16) {
    terminal_size::terminal_size().map_or((24, 80), |(width, height)| (height.0, width.0))
}

fn width() -> usize {
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    columns().or_else(terminal).unwrap_or(DEFAULT_WIDTH).clamp(40, 200)
}

/// What somebody asked for.
fn columns() -> Option<usize> {
    host::variable("COLUMNS")?.parse().ok()
}
