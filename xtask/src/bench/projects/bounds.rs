//! What precast promises of a project.

use super::record::{difference, median, ratio, EMPTY, FILLED};
use super::COMMANDS;
use serde_json::Value;

/// The first build packs nothing, and so costs what a native one does: wall time.
const EMPTY_MAX: f64 = 1.03;
/// A build with macros in its graph gains something: CPU.
const FILLED_MAX: f64 = 0.97;
/// Where macros are most of a build, it gains much: project, command, measure.
const FILLED_MAX_OF: [(&str, &str, &str, f64); 3] = [
    ("application", "build", "cpu", 0.40),
    ("application", "build", "wall", 0.42),
    ("zoxide", "check", "cpu", 0.40),
];
/// Milliseconds more than cargo with nothing to do.
const IDLE_MAX: f64 = 30.0;
/// Seconds of packing all macros of a project: of the one for which it is measured.
const PACKING_MAX: [(&str, f64); 2] = [("wall", 80.0), ("cpu", 130.0)];

/// The bounds that do not hold, in words.
pub fn failures(project: &str, record: &Value) -> Vec<String> {
    let mut failures = Vec::new();
    let mut check = |what: &str, found: f64, max: f64, unit: &str| {
        // What is no number does not hold either.
        let holds = found <= max;
        if !holds {
            failures.push(format!("{project}, {what}: {found:.3}{unit}, more than {max}{unit}"));
        }
    };
    for command in COMMANDS {
        let builds = &record[command];
        let first = ratio(&builds["wall"], EMPTY);
        check(&format!("{command} with an empty store, wall"), first, EMPTY_MAX, " of native");
        for measure in ["cpu", "wall"] {
            let of_it = FILLED_MAX_OF
                .iter()
                .find(|(name, of, what, _)| (*name, *of, *what) == (project, command, measure));
            let max = of_it.map(|bound| bound.3).or((measure == "cpu").then_some(FILLED_MAX));
            if let Some(max) = max {
                let what = format!("{command} with a filled store, {measure}");
                check(&what, ratio(&builds[measure], FILLED), max, " of native");
            }
        }
        let more = difference(&builds["idle"]);
        check(&format!("{command} with nothing to do"), more, IDLE_MAX, " ms beyond cargo");
    }
    if let Some(packing) = record.get("packing") {
        for (measure, max) in PACKING_MAX {
            let what = format!("packing from nothing, {measure}");
            check(&what, median(&packing[measure], 1), max, " s");
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::failures;

    #[test]
    fn what_holds_is_silent() {
        // Native 100 s; empty store, filled store, idle, packing.
        assert_eq!(failures("application", &record(103.0, 40.0, 30.0, Some(80.0))), [""; 0]);
        assert_eq!(failures("tokei", &record(100.0, 97.0, -4.0, None)), [""; 0]);
    }

    #[test]
    fn each_bound_is_seen() {
        let found = failures("application", &record(104.0, 43.0, 31.0, Some(131.0)));
        assert_eq!(
            found,
            [
                "application, build with an empty store, wall: 1.040 of native, more than 1.03 of native",
                "application, build with a filled store, cpu: 0.430 of native, more than 0.4 of native",
                "application, build with a filled store, wall: 0.430 of native, more than 0.42 of native",
                "application, build with nothing to do: 31.000 ms beyond cargo, more than 30 ms beyond cargo",
                "application, check with an empty store, wall: 1.040 of native, more than 1.03 of native",
                "application, check with nothing to do: 31.000 ms beyond cargo, more than 30 ms beyond cargo",
                "application, packing from nothing, wall: 131.000 s, more than 80 s",
                "application, packing from nothing, cpu: 131.000 s, more than 130 s",
            ]
        );
        let found = failures("zoxide", &record(100.0, 41.0, 0.0, None));
        let only =
            "zoxide, check with a filled store, cpu: 0.410 of native, more than 0.4 of native";
        assert_eq!(found, [only]);
        assert_eq!(failures("trunk", &record(100.0, 98.0, 0.0, None)).len(), 2);
    }

    #[test]
    fn what_was_not_measured_does_not_hold() {
        assert_eq!(failures("trunk", &serde_json::json!({})).len(), 6);
    }
}
