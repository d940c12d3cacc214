//! How the compiler that runs the macro tells its user of something, as far as its command line says.

use std::env;

/// Who hears of a diagnostic.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Listener {
    /// Cargo, an editor or another program: lines of JSON. With `ansi`, texts in them have colours.
    Json { ansi: bool },
    /// Somebody who reads standard error.
    Text,
    /// There is no compiler, but a tool that takes diagnostics as data.
    Data,
    /// An editor's server, which has no place for them.
    Nobody,
}

/// What the user wants of warnings.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Warnings {
    Told,
    Errors,
    Silent,
}

#[derive(Clone, Copy)]
pub(crate) struct Compiler {
    pub(crate) listener: Listener,
    pub(crate) warnings: Warnings,
}

pub(crate) fn compiler() -> Compiler {
    let arguments: Vec<String> =
        env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    read(&arguments)
}

fn read(arguments: &[String]) -> Compiler {
    let mut listener = match arguments.first() {
        None => Listener::Data,
        Some(program) if program.contains("rust-analyzer") => Listener::Nobody,
        Some(_) => Listener::Text,
    };
    let ansi = options(arguments, "--json").any(|value| value.contains("rendered-ansi"));
    if options(arguments, "--error-format").any(|value| value == "json") {
        listener = Listener::Json { ansi };
    }
    Compiler { listener, warnings: warnings(arguments) }
}

/// The last word on the group `warnings` holds, and a cap is above all.
fn warnings(arguments: &[String]) -> Warnings {
    const LEVELS: [(&str, &str, Warnings); 5] = [
        ("-A", "--allow", Warnings::Silent),
        ("-W", "--warn", Warnings::Told),
        ("-D", "--deny", Warnings::Errors),
        ("-F", "--forbid", Warnings::Errors),
        ("--force-warn", "--force-warn", Warnings::Told),
    ];
    let mut found = Warnings::Told;
    for (at, argument) in arguments.iter().enumerate() {
        for (short, long, level) in LEVELS.iter() {
            if value(argument, arguments.get(at + 1), short, long) == Some("warnings") {
                found = *level;
            }
        }
    }
    match options(arguments, "--cap-lints").last() {
        Some("allow") => Warnings::Silent,
        Some("warn") if found == Warnings::Errors => Warnings::Told,
        _ => found,
    }
}

/// The values of `--name=value` and `--name value`.
fn options<'a>(arguments: &'a [String], name: &'a str) -> impl Iterator<Item = &'a str> {
    let each = arguments.iter().enumerate();
    each.filter_map(move |(at, argument)| value(argument, arguments.get(at + 1), name, name))
}

fn value<'a>(
    argument: &'a str,
    next: Option<&'a String>,
    short: &str,
    long: &str,
) -> Option<&'a str> {
    if argument == short || argument == long {
        return next.map(String::as_str);
    }
    let rest = argument.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
    let attached = || argument.strip_prefix(short).filter(|_| short.len() == 2);
    rest.or_else(attached)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Compiler {
        read(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn listeners() {
        let cargo =
            "rustc --crate-name a --error-format=json --json=diagnostic-rendered-ansi,artifacts";
        assert!(of(cargo).listener == Listener::Json { ansi: true });
        assert!(of("rustc --error-format json a.rs").listener == Listener::Json { ansi: false });
        assert!(of("rustc a.rs").listener == Listener::Text);
        assert!(of("").listener == Listener::Data);
        assert!(of("/bin/rust-analyzer-proc-macro-srv").listener == Listener::Nobody);
    }

    #[test]
    fn levels() {
        let check = |line: &str, expected| assert!(of(line).warnings == expected, "{}", line);
        check("rustc a.rs", Warnings::Told);
        check("rustc -Dwarnings", Warnings::Errors);
        check("rustc -D warnings -Wwarnings", Warnings::Told);
        check("rustc --deny=warnings", Warnings::Errors);
        check("rustc -D unused", Warnings::Told);
        check("rustc --allow warnings", Warnings::Silent);
        check("rustc -D warnings --cap-lints warn", Warnings::Told);
        check("rustc --cap-lints=allow", Warnings::Silent);
    }
}
