//! Messages as bytes, in both forms of the protocol.

use super::format::Format;
use super::message::{Answer, Message, Question, Request};
use crate::tokens::{Place, Questions};
use std::io::{self, BufRead, ErrorKind, Write};

/// A longer message is none: it would take all memory.
const BYTES_MAX: u64 = 1 << 30;

/// Of a file's number, what is left without the edition.
const FILE: u32 = 0x007f_ffff;

pub struct Channel {
    format: Format,
    input: Box<dyn BufRead>,
    output: Box<dyn Write>,
}

impl Channel {
    pub fn new(format: Format, input: Box<dyn BufRead>, output: Box<dyn Write>) -> Channel {
        Channel { format, input, output }
    }

    /// None at the end.
    pub fn read(&mut self) -> io::Result<Option<Message>> {
        let end = match self.format {
            Format::Json => b'\n',
            Format::Postcard => 0,
        };
        loop {
            let mut bytes = Vec::new();
            io::Read::take(&mut self.input, BYTES_MAX).read_until(end, &mut bytes)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            if bytes.last() != Some(&end) {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            match self.format {
                // As rust-analyzer: what else is printed is for nobody.
                Format::Json if bytes.first() != Some(&b'{') => continue,
                Format::Json => return Ok(Some(Message::Request(json(&bytes)?))),
                Format::Postcard => {
                    let message = postcard::from_bytes_cobs(&mut bytes).map_err(odd)?;
                    return Ok(Some(message));
                }
            }
        }
    }

    pub fn write(&mut self, message: Message) -> io::Result<()> {
        let bytes = match (self.format, message) {
            (Format::Json, Message::Response(response)) => {
                let mut line = serde_json::to_vec(&response).map_err(odd)?;
                line.push(b'\n');
                line
            }
            (_, message) => postcard::to_stdvec_cobs(&message).map_err(odd)?,
        };
        self.output.write_all(&bytes)?;
        self.output.flush()
    }

    fn ask(&mut self, question: Question) -> Result<Answer, String> {
        let broken = |error: io::Error| format!("rust-analyzer gives no answer: {error}");
        self.write(Message::SubRequest(question)).map_err(broken)?;
        match self.read().map_err(broken)? {
            Some(Message::SubResponse(Answer::Cancel { reason })) => Err(reason),
            Some(Message::SubResponse(answer)) => Ok(answer),
            _ => Err(unfit()),
        }
    }
}

fn json(line: &[u8]) -> io::Result<Request> {
    serde_json::from_slice(line).map_err(odd)
}

fn odd(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

fn unfit() -> String {
    "rust-analyzer's answer does not fit the question".to_owned()
}

impl Questions for Channel {
    fn source_text(&mut self, place: Place) -> Result<Option<String>, String> {
        let Place { file, item, start, end, .. } = place;
        match self.ask(Question::SourceText { file_id: file, ast_id: item, start, end })? {
            Answer::SourceTextResult { text } => Ok(text),
            _ => Err(unfit()),
        }
    }

    fn file(&mut self, place: Place) -> Result<String, String> {
        match self.ask(Question::FilePath { file_id: place.file & FILE })? {
            Answer::FilePathResult { name } => Ok(name),
            _ => Err(unfit()),
        }
    }

    fn local_file(&mut self, place: Place) -> Result<Option<String>, String> {
        match self.ask(Question::LocalFilePath { file_id: place.file & FILE })? {
            Answer::LocalFilePathResult { name } => Ok(name),
            _ => Err(unfit()),
        }
    }

    fn line_column(&mut self, place: Place) -> Result<(u32, u32), String> {
        let Place { file, item, start, .. } = place;
        match self.ask(Question::LineColumn { file_id: file, ast_id: item, offset: start })? {
            Answer::LineColumnResult { line, column } => Ok((line, column)),
            _ => Err(unfit()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[derive(Clone, Default)]
    struct Sent(Rc<RefCell<Vec<u8>>>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const PLACE: Place = Place { file: 0x0780_0002, item: 3, start: 4, end: 5, context: 6 };

    /// Asks what is answered so; what was asked.
    fn check<T>(answer: Answer, ask: impl FnOnce(&mut Channel) -> T) -> (T, String) {
        let answer = postcard::to_stdvec_cobs(&Message::SubResponse(answer)).unwrap();
        let sent = Sent::default();
        let input = Box::new(io::Cursor::new(answer));
        let result = ask(&mut Channel::new(Format::Postcard, input, Box::new(sent.clone())));
        let mut asked = sent.0.take();
        let asked: Message = postcard::from_bytes_cobs(&mut asked).unwrap();
        (result, format!("{asked:?}"))
    }

    #[test]
    fn questions() {
        let (lines, asked) = check(Answer::LineColumnResult { line: 7, column: 8 }, |channel| {
            channel.line_column(PLACE)
        });
        assert_eq!(lines, Ok((7, 8)));
        let question = "SubRequest(LineColumn { file_id: 125829122, ast_id: 3, offset: 4 })";
        assert_eq!(asked, question);
        // Without the edition.
        let (name, asked) =
            check(Answer::FilePathResult { name: "a.rs".into() }, |channel| channel.file(PLACE));
        assert_eq!(
            (name, asked.as_str()),
            (Ok("a.rs".into()), "SubRequest(FilePath { file_id: 2 })")
        );
        let text = Answer::SourceTextResult { text: Some("x".into()) };
        let (text, asked) = check(text, |channel| channel.source_text(PLACE));
        assert_eq!(text, Ok(Some("x".into())));
        assert!(asked.contains("start: 4, end: 5"), "{asked}");
    }

    #[test]
    fn no_answer_is_an_error() {
        let cancelled = Answer::Cancel { reason: "of no use".into() };
        assert_eq!(check(cancelled, |channel| channel.file(PLACE)).0, Err("of no use".into()));
        let other = Answer::SourceTextResult { text: None };
        assert_eq!(check(other, |channel| channel.file(PLACE)).0, Err(unfit()));
        let sent = Box::new(Sent::default());
        let mut closed = Channel::new(Format::Postcard, Box::new(io::empty()), sent);
        assert!(closed.local_file(PLACE).is_err());
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for (format, bytes) in [
            (Format::Json, "{\"No\":1}\n"),
            (Format::Json, "{\"ApiVersionCheck\":{}}"),
            (Format::Postcard, "\u{2}\u{9}\0"),
        ] {
            let input = Box::new(io::Cursor::new(bytes.as_bytes().to_vec()));
            let mut channel = Channel::new(format, input, Box::new(Sent::default()));
            assert!(channel.read().is_err(), "{bytes:?}");
        }
        let input = Box::new(io::Cursor::new(b"printed\n{\"ApiVersionCheck\":{}}\n".to_vec()));
        let mut channel = Channel::new(Format::Json, input, Box::new(Sent::default()));
        assert!(matches!(channel.read(), Ok(Some(Message::Request(Request::ApiVersionCheck {})))));
        assert!(matches!(channel.read(), Ok(None)));
    }
}
