//! The call stack of a macro that stopped, for people.

/// Recursion through so many functions is told once.
const PERIOD_MAX: usize = 12;

/// The lines of a stack, each after a line feed, with what repeats at least three times shown once.
pub(super) fn folded(trace: &str) -> String {
    let lines: Vec<&str> = trace.lines().skip(1).collect();
    let mut out = String::new();
    let mut rest = &lines[..];
    while !rest.is_empty() {
        let (period, times) = (1..=PERIOD_MAX.min(rest.len()))
            .map(|period| (period, times(rest, period)))
            .find(|(_, times)| *times >= 3)
            .unwrap_or((1, 1));
        rest[..period].iter().for_each(|line| out += &format!("\n{line}"));
        if times > 1 {
            let what = match period {
                1 => "this function".to_owned(),
                n => format!("these {n} functions"),
            };
            out += &format!("\n     ({what} {} times more)", times - 1);
        }
        rest = &rest[period * times..];
    }
    out
}

/// How often the first lines come one time after the other.
fn times(lines: &[&str], period: usize) -> usize {
    let (first, rest) = lines.split_at(period);
    1 + rest.chunks(period).take_while(|chunk| *chunk == first).count()
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn recursion_is_told_once() {
        let check = |trace: &str, expected: &str| {
            let lines =
                |text: &str| text.chars().map(|c| format!("\n  at {c}")).collect::<String>();
            let expected = expected.split_inclusive(')').map(|part| match part.split_once('(') {
                Some((names, note)) => lines(names) + "\n     (" + note,
                None => lines(part),
            });
            assert_eq!(folded(&lines(trace)), expected.collect::<String>());
        };
        check("", "");
        check("abcaab", "abcaab");
        check("aaaab", "a(this function 3 times more)b");
        check("xabababy", "xab(these 2 functions 2 times more)y");
    }
}
