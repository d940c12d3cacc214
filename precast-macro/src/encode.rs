//! Bytes as texts that no file format and no string literal has to escape, readable where they were.

/// All but letters, digits and some punctuation is `%` and two digits.
pub(crate) fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text.push(*byte as char),
            b' ' | b'_' | b'-' | b'.' | b',' | b':' | b'/' | b'{' | b'}' | b'[' | b']' | b'('
            | b')' | b'<' | b'>' | b'@' | b'\'' | b'*' | b'+' | b'!' | b'?' | b';' | b'&' => {
                text.push(*byte as char)
            }
            _ => {
                text.push('%');
                text.push(DIGITS[usize::from(byte >> 4)] as char);
                text.push(DIGITS[usize::from(byte & 15)] as char);
            }
        }
    }
    text
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = match (bytes[at], bytes.get(at + 1), bytes.get(at + 2)) {
            (b'%', Some(high), Some(low)) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match pair {
            Some((high, low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let all: Vec<u8> = (0..=255).collect();
        let text = encode(&all);
        assert!(text.is_ascii() && !text.contains(|c: char| "\"\\|=#$\n\r".contains(c)));
        assert_eq!(decode(&text), all);
        assert_eq!(encode(b"GET /a/{id}"), "GET /a/{id}");
    }
}
