//! A terminal on which a person may type while spinners turn.

use indicatif::{ProgressDrawTarget, TermLike};
use std::{
    fmt,
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Frames per second; indicatif's own default.
const FRAMES: u8 = 20;

/// Rows and columns of the terminal now.
pub type Size = Box<dyn Fn() -> (u16, u16) + Send + Sync>;

/// Draws on a terminal, frame by frame, and leaves the cursor behind the last word.
///
/// Left to itself, indicatif fills each line with spaces to the right edge, so that the `^C`
/// that a terminal echoes starts a new line, and the next frame takes one line too few away.
/// What is drawn has to end with a bar: the next frame starts on that line again.
pub fn terminal(out: Box<dyn Write + Send>, size: Size) -> ProgressDrawTarget {
    let frame = Mutex::new(Frame { out, text: String::new(), filler: 0 });
    ProgressDrawTarget::term_like_with_hz(Box::new(Terminal { frame, size }), FRAMES)
}

struct Terminal {
    frame: Mutex<Frame>,
    size: Size,
}

struct Frame {
    out: Box<dyn Write + Send>,
    text: String,
    /// Spaces that are written only when something comes after them.
    filler: usize,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

impl Terminal {
    fn frame(&self) -> MutexGuard<'_, Frame> {
        self.frame.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self, lines: usize, code: char) {
        if lines > 0 {
            self.frame().push(&format!("\u{1b}[{lines}{code}"));
        }
    }
}

impl Frame {
    fn push(&mut self, text: &str) {
        self.text.push_str(&" ".repeat(self.filler));
        self.filler = 0;
        self.text.push_str(text);
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        (self.size)().1
    }

    fn height(&self) -> u16 {
        (self.size)().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'D');
        Ok(())
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.frame().push(&format!("{s}\r\n"));
        Ok(())
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        let mut frame = self.frame();
        if s.bytes().all(|byte| byte == b' ') {
            frame.filler += s.len();
        } else {
            frame.push(s);
        }
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.frame().push("\r\u{1b}[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut frame = self.frame();
        let text = std::mem::take(&mut frame.text);
        frame.filler = 0;
        frame.out.write_all(text.as_bytes())?;
        frame.out.flush()
    }
}
