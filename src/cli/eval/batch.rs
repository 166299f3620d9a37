//! `eval --batch`: reads lines, writes answers, and keeps no one waiting for them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::Context as _;

use crate::cel::playground::batch::{MAX_LINE, Reply, reply, too_long};
use crate::cel::playground::{Form, Setting};
use crate::cli::Exit;

/// Octets read at once.
const BUFFER: usize = 64 * 1024;

/// Answers every line of `source`.
///
/// # Errors
/// The source cannot be read, or stdout cannot be written.
pub fn run(source: &Path, setting: &Setting<'_>, form: Form) -> anyhow::Result<Exit> {
    let stdin = io::stdin();
    let input: Box<dyn Read> = if source.as_os_str() == "-" {
        Box::new(stdin.lock())
    } else {
        let file = File::open(source).with_context(|| format!("open {}", source.display()))?;
        Box::new(file)
    };
    let output = BufWriter::new(io::stdout().lock());
    match answer_all(input, output, setting, form) {
        Ok(true) => Ok(Exit::Clean),
        Ok(false) => Ok(Exit::Unjudged),
        // Whoever read the answers has what they wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Clean),
        Err(error) => Err(error).with_context(|| format!("answer {}", source.display())),
    }
}

/// Whether every line was a request.
fn answer_all(
    input: impl Read,
    mut output: impl Write,
    setting: &Setting<'_>,
    form: Form,
) -> io::Result<bool> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let mut line = Vec::new();
    let mut all = true;
    for number in 1.. {
        // Before waiting for more input, everything answered so far is handed over.
        if !input.buffer().contains(&b'\n') {
            output.flush()?;
        }
        let answer = match next_line(&mut input, &mut line)? {
            Line::End => break,
            Line::Read => reply(number, &line, setting, form),
            Line::TooLong => Some(too_long(number)),
        };
        if let Some(Reply { text, asked }) = answer {
            all &= asked;
            writeln!(output, "{text}")?;
        }
    }
    output.flush()?;
    Ok(all)
}

enum Line {
    /// There is none left.
    End,
    /// It is in the buffer.
    Read,
    /// It was skipped.
    TooLong,
}

/// Reads up to the next line end into `line`, and no more than [`MAX_LINE`] octets of it.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    // A long line may have left a large buffer behind.
    line.shrink_to(BUFFER);
    let limit = MAX_LINE as u64 + 1;
    if input.take(limit).read_until(b'\n', line)? == 0 {
        return Ok(Line::End);
    }
    if line.len() <= MAX_LINE || line.ends_with(b"\n") {
        return Ok(Line::Read);
    }
    input.skip_until(b'\n')?;
    Ok(Line::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(input: &[u8]) -> (String, bool) {
        let mut output = Vec::new();
        let all = answer_all(input, &mut output, &Setting::default(), Form::Plain);
        let text = String::from_utf8(output).expect("UTF-8");
        (text, all.expect("memory can be read and written"))
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_is_answered() {
        let mut input = vec![b'x'; MAX_LINE + 1];
        input.extend(b"\n{\"expression\": \"1\"}");
        let expected = "{\"error\":\"line 1: longer than 16 MiB\",\"line\":1}\n\
                        {\"cost\":0,\"type\":\"int\",\"value\":1}\n";
        assert_eq!(answers(&input), (expected.to_owned(), false));
        let mut input = vec![b' '; MAX_LINE];
        input.extend(b"\n\n{\"expression\": \"2\"}\n");
        let expected = "{\"cost\":0,\"type\":\"int\",\"value\":2}\n";
        assert_eq!(answers(&input), (expected.to_owned(), true));
    }

    /// Gives one line at a time, and looks whether the answer to the one before was handed over.
    struct Conversation<'o> {
        lines: Vec<&'static str>,
        output: &'o std::cell::RefCell<Vec<u8>>,
        seen: Vec<usize>,
    }

    impl Read for Conversation<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.seen
                .push(self.output.borrow().iter().filter(|c| **c == b'\n').count());
            let line = self.lines.pop().unwrap_or_default();
            buffer[..line.len()].copy_from_slice(line.as_bytes());
            Ok(line.len())
        }
    }

    struct Shared<'o>(&'o std::cell::RefCell<Vec<u8>>);

    impl Write for Shared<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn answers_are_handed_over_before_the_next_line_is_waited_for() {
        let output = std::cell::RefCell::new(Vec::new());
        let mut conversation = Conversation {
            lines: vec!["{\"expression\":\"2\"}\n", "\n", "{\"expression\":\"1\"}\n"],
            output: &output,
            seen: Vec::new(),
        };
        let writer = BufWriter::new(Shared(&output));
        let all = answer_all(&mut conversation, writer, &Setting::default(), Form::Plain);
        assert!(all.expect("memory can be read and written"));
        assert_eq!(conversation.seen, [0, 1, 1, 2]);
    }
}
