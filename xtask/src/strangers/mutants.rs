//! Wrong uses of a macro: a source with one token of an attribute, or of a macro's argument, left out,
//! doubled or replaced. What the macro then says must be what it says natively.

pub struct Mutant {
    /// For people: `line 3, without 'x'`.
    pub what: String,
    pub text: String,
}

/// Up to `n` mutants, the same each time.
pub fn of(text: &str, n: usize) -> Vec<Mutant> {
    let tokens: Vec<(usize, usize)> =
        regions(text).into_iter().flat_map(|(from, to)| tokens(text, from, to)).collect();
    let mut state = text.bytes().fold(0x9e37_79b9_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("it is below one")
    };
    let mut found: Vec<Mutant> = Vec::new();
    for _ in 0..if tokens.is_empty() { 0 } else { n } {
        let (from, to) = tokens[next(tokens.len())];
        let token = &text[from..to];
        let (verb, new) = match next(4) {
            0 => ("without", String::new()),
            1 => ("twice", format!("{token} {token}")),
            2 => ("u8 for", "u8".to_owned()),
            _ => ("-1.5 for", "-1.5".to_owned()),
        };
        let line = text[..from].matches('\n').count() + 1;
        let what = format!("line {line}, {verb} `{token}`");
        if token != new && found.iter().all(|mutant| mutant.what != what) {
            found.push(Mutant { what, text: format!("{}{new}{}", &text[..from], &text[to..]) });
        }
    }
    found
}

/// What stands between the brackets of attributes and behind `name!`.
fn regions(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut end = 0;
    for at in 1..bytes.len() {
        let is_attribute = bytes[at] == b'[' && bytes[at - 1] == b'#';
        let is_call = matches!(bytes[at], b'(' | b'[' | b'{')
            && text[..at].trim_end().ends_with('!')
            && text[..at].trim_end().trim_end_matches('!').ends_with(is_part);
        if at >= end && (is_attribute || is_call) {
            end = closing(bytes, at);
            found.push((at + 1, end));
        }
    }
    found
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the delimiter at `open` is closed. Texts with delimiters in them only make a region longer.
fn closing(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// Words, numbers, texts and signs, without delimiters.
fn tokens(text: &str, from: usize, to: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = from;
    while let Some(first) = text.get(at..to).and_then(|rest| rest.chars().next()) {
        let rest = &text[at..to];
        let length = if is_part(first) {
            rest.find(|c| !is_part(c)).unwrap_or(rest.len())
        } else if first == '"' {
            let mut is_escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let is_end = *c == '"' && !is_escaped;
                is_escaped = *c == '\\' && !is_escaped;
                is_end
            });
            end.map_or(rest.len(), |(end, _)| end + 1)
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() && !"()[]{}'".contains(first) {
            found.push((at, at + length));
        }
        at += length;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_attributes_and_calls() {
        let text =
            "use a::b;\n#[x(y = \"z \\\" w\")]\nstruct S;\nfn f() { call!(1, [2]); if !(a) {} }\n";
        let found = regions(text).into_iter().flat_map(|(from, to)| tokens(text, from, to));
        let found: Vec<&str> = found.map(|(from, to)| &text[from..to]).collect();
        assert_eq!(found, ["x", "y", "=", "\"z \\\" w\"", "1", ",", "2"]);
    }

    #[test]
    fn mutants_are_the_same_each_time() {
        let text = "#[derive(A, B)]\n#[c(d)]\nstruct S;\n";
        let all = |n| of(text, n).into_iter().map(|mutant| mutant.text).collect::<Vec<_>>();
        assert_eq!(all(6), all(6));
        assert!(all(6).len() > 2 && all(6).iter().all(|mutant| mutant != text));
        assert!(of("struct S;", 5).is_empty());
    }
}
