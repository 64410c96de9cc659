//! `aws-chunked`: how the SDK sends a body whose checksum it does not know beforehand.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use std::collections::BTreeMap;

/// A chunk's line, and a trailer's, is never longer.
const LONGEST_LINE: usize = 16 * 1024;

/// A decoder, which is given the body piece by piece.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: State,
    line: Vec<u8>,
    trailers: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// In the line with a chunk's size.
    #[default]
    Size,
    /// In a chunk, with so many bytes left.
    Data(usize),
    /// In the empty line after a chunk.
    DataEnd,
    Trailer,
    End,
    Broken,
}

impl Decoder {
    /// Gives what `piece` holds of the content to `take`.
    pub(super) fn decode<E>(
        &mut self,
        mut piece: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !piece.is_empty() {
            match self.state {
                State::Data(left) => {
                    let (data, rest) = piece.split_at(left.min(piece.len()));
                    take(data)?;
                    piece = rest;
                    let left = left - data.len();
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                }
                State::End | State::Broken => return Ok(()),
                State::Size | State::DataEnd | State::Trailer => {
                    let end = piece.iter().position(|byte| *byte == b'\n');
                    let (part, rest) = piece.split_at(end.map_or(piece.len(), |end| end + 1));
                    self.line.extend_from_slice(part);
                    piece = rest;
                    if end.is_some() {
                        self.read_line();
                    } else if self.line.len() > LONGEST_LINE {
                        self.state = State::Broken;
                    }
                }
            }
        }
        Ok(())
    }

    fn read_line(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        let line = line.trim_end_matches(['\n', '\r']);
        self.state = match self.state {
            State::Size => {
                // A signature may follow the size.
                let size = line.split(';').next().unwrap_or_default();
                match usize::from_str_radix(size.trim(), 16) {
                    Ok(0) => State::Trailer,
                    Ok(size) => State::Data(size),
                    Err(_) => State::Broken,
                }
            }
            State::DataEnd if line.is_empty() => State::Size,
            State::Trailer if line.is_empty() => State::End,
            State::Trailer => {
                if let Some((name, value)) = line.split_once(':') {
                    let name = name.trim().to_ascii_lowercase();
                    self.trailers.insert(name, value.trim().to_owned());
                }
                State::Trailer
            }
            _ => State::Broken,
        };
    }

    /// The trailers, if the body was complete.
    pub(super) fn finish(self) -> Option<BTreeMap<String, String>> {
        // Some clients leave out the empty line after the trailers.
        matches!(self.state, State::End | State::Trailer).then_some(self.trailers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(body: &[u8], step: usize) -> (Vec<u8>, Option<BTreeMap<String, String>>) {
        let mut decoder = Decoder::default();
        let mut content = Vec::new();
        for piece in body.chunks(step) {
            decoder
                .decode(piece, |data| {
                    content.extend_from_slice(data);
                    Ok::<(), ()>(())
                })
                .unwrap();
        }
        (content, decoder.finish())
    }

    #[test]
    fn chunks_in_pieces_of_any_size() {
        let body = b"5;chunk-signature=ab\r\nhello\r\nA\r\n, 234\r\n\n90\r\n0\r\nX-Amz-Checksum-Crc32: abc=\r\n\r\n";
        for step in 1..=body.len() {
            let (content, trailers) = decode(body, step);
            assert_eq!(content, b"hello, 234\r\n\n90");
            assert_eq!(trailers.unwrap()["x-amz-checksum-crc32"], "abc=");
        }
    }

    #[test]
    fn what_is_no_chunk_or_no_end() {
        for body in [&b"5\r\nhello\r\n"[..], b"x\r\n", b"5\r\nhello!\r\n0\r\n\r\n", b""] {
            assert_eq!(decode(body, 3).1, None, "{body:?}");
        }
        assert_eq!(decode(b"0\r\n\r\n", 1), (Vec::new(), Some(BTreeMap::new())));
    }
}
