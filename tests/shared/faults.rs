//! Whatever a shared store does, the build succeeds, in time, with the right output and at most one warning.

use super::fixture::{directory, ok, texts};
use super::http::{Fault, Server};
use super::prepared::{
    consumer, keygen, objects, packer, prepared, project, push, pusher, warnings, work, NATIVE,
    N_MACROS, PACKED,
};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// A build that must succeed: what the program prints, warnings, and how long it took.
fn build(work: &Path, url: &str, deadline: &str) -> (String, Vec<String>, Duration) {
    let _ = fs::remove_dir_all(work.join("target"));
    let mut command = consumer(work, &["run", "--locked"]);
    command.env("PRECAST_STORE_URL", url).env("PRECAST_STORE_DEADLINE", deadline);
    let start = Instant::now();
    let (out, err) = ok(&mut command);
    let warnings = warnings(&err).into_iter().map(str::to_owned).collect();
    (out, warnings, start.elapsed())
}

#[test]
fn a_machine_without_anything() {
    let server = Server::start(&prepared().shared);
    let work = work("shared-plain");
    let args = ["run", "--locked"];
    let mut command = consumer(&work, &args);
    let (out, err) = ok(command.env("PRECAST_STORE_URL", &server.url));
    assert_eq!(out, PACKED, "{err}");
    assert!(err.contains("3 macro packages precompiled (3 fetched now), 0 built"), "{err}");
    assert!(warnings(&err).is_empty(), "{err}");
    // One request each, one for the variables of the third, one for the list of revocations.
    let (n_requests, n_bytes) = server.take();
    assert_eq!(n_requests, N_MACROS + 2);
    let lean: u64 =
        objects(&prepared().shared, "lean").iter().map(|f| f.metadata().unwrap().len()).sum();
    assert_eq!(n_bytes as u64, lean);
    let rest: u64 =
        objects(&prepared().shared, "rest").iter().map(|f| f.metadata().unwrap().len()).sum();
    assert!(rest > 0);
    // Nothing is asked again, not even by a clean build.
    fs::remove_dir_all(work.join("target")).unwrap();
    let (out, err) = ok(consumer(&work, &args).env("PRECAST_STORE_URL", &server.url));
    assert_eq!((out.as_str(), server.take().0), (PACKED, 0), "{err}");
    // The sources come when somebody asks for them.
    let (_, err) = ok(consumer(&work, &["vendor"]).env("PRECAST_STORE_URL", &server.url));
    assert!(err.contains("3 macro packages precompiled"), "{err}");
    assert_eq!(server.take().0, N_MACROS);
    let vendored = fs::read_dir(work.join("vendor")).unwrap().flatten();
    let sources = vendored.filter(|entry| entry.path().join("source/src/lib.rs").is_file());
    assert_eq!(sources.count(), N_MACROS);
    ok(&mut consumer(&work, &["verify", "vendor"]));
}

#[test]
fn a_store_that_fails() {
    let server = Server::start(&prepared().shared);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = format!("http://{closed}");
    let faults = [
        (Fault::Broken, "500", "20"),
        (Fault::Forbidden, "403", "20"),
        (Fault::Truncated, "", "20"),
        (Fault::Garbage, "not what a store holds", "20"),
        (Fault::Wrong, "not what a store holds", "20"),
        (Fault::Slow, "within 1 s", "1"),
        (Fault::Silent, "within 1 s", "1"),
    ];
    let work = work("shared-faults");
    let (_, _, native) = build(&work, "", "1");
    for (fault, told, deadline) in faults {
        server.set(fault);
        let (out, warnings, time) = build(&work, &server.url, deadline);
        assert_eq!(out, NATIVE, "{fault:?}");
        assert_eq!(warnings.len(), 1, "{fault:?}: {warnings:?}");
        assert!(warnings[0].contains(told), "{fault:?}: {warnings:?}");
        if deadline == "1" {
            // The machine may be busy; what a deadline that is not kept costs is thirty seconds.
            assert!(
                time < native + Duration::from_secs(15),
                "{fault:?}: {time:?}, else {native:?}"
            );
        }
    }
    let (out, warnings, _) = build(&work, &refused, "20");
    assert_eq!((out.as_str(), warnings.len()), (NATIVE, 1), "{warnings:?}");
    // The next store in the list is asked then; the user is told all the same.
    server.set(Fault::None);
    let (out, warnings, _) = build(&work, &format!("{refused},{}", server.url), "20");
    assert_eq!((out.as_str(), warnings.len()), (PACKED, 1), "{warnings:?}");
}

#[test]
fn nobody_is_asked_offline() {
    let server = Server::start(&prepared().shared);
    let work = work("shared-offline");
    let mut command = consumer(&work, &["run", "--locked", "--offline"]);
    let (out, err) = ok(command.env("PRECAST_STORE_URL", &server.url));
    assert_eq!((out.as_str(), server.take().0), (NATIVE, 0), "{err}");
    assert!(warnings(&err).is_empty(), "{err}");
    // The build that follows is not bound by what this one has found.
    fs::remove_dir_all(work.join("target")).unwrap();
    let (out, err) =
        ok(consumer(&work, &["run", "--locked"]).env("PRECAST_STORE_URL", &server.url));
    assert_eq!(out, PACKED, "{err}");
}

/// What cannot be kept is not used, and the build goes on.
#[test]
fn a_store_that_cannot_be_written() {
    let work = work("shared-full");
    let store = work.join("../store");
    fs::create_dir_all(&store).unwrap();
    // In the place of the folder: as on a full disk, no entry can be made.
    fs::write(store.join("artifact"), "").unwrap();
    let (out, warnings, _) = build(&work, &prepared().url(), "20");
    assert_eq!((out.as_str(), warnings.len()), (NATIVE, 1), "{warnings:?}");
    assert!(warnings[0].contains("cannot keep"), "{warnings:?}");
    // The same for shims, which are written when the compiler asks for them.
    fs::remove_file(store.join("artifact")).unwrap();
    fs::write(store.join("shim"), "").unwrap();
    let (out, _, _) = build(&work, &prepared().url(), "20");
    assert_eq!(out, NATIVE);
}

/// Objects are written once.
#[test]
fn two_writers() {
    let base = directory("shared-writers");
    let server = Server::start(&base.join("shared"));
    let work = project(&base);
    let prepared = prepared();
    let other = keygen(&base, "other");
    // Both at once: what is there in the end is one artifact each, and both signatures.
    std::thread::scope(|scope| {
        for key in [&prepared.key, &other] {
            let (work, url) = (&work, &server.url);
            scope.spawn(move || push(work, prepared, url, key));
        }
    });
    let shared = base.join("shared");
    assert_eq!(objects(&shared, "lean").len(), N_MACROS + 1);
    assert_eq!(objects(&shared, "rest").len(), N_MACROS);
    assert_eq!(objects(&shared, "sig").len(), N_MACROS);
    // Again, nothing is new.
    let (out, _) = push(&work, prepared, &server.url, &other);
    assert_eq!(out, "0 new artifacts, 0 signed as well, 3 known before\n");

    // Another artifact in the place of one is told, with both; the rest is pushed.
    let lean = objects(&shared, "lean")
        .into_iter()
        .find(|path| path.to_string_lossy().contains("/second/"));
    fs::remove_file(lean.unwrap()).unwrap();
    let changed = super::upgrade::changed_store(&base, "second");
    let mut command = packer(&work, &changed, &["store", "push", "second"]);
    command.env("PRECAST_STORE_URL", &server.url).env("PRECAST_STORE_MODE", "write");
    ok(command.env("PRECAST_SIGNING_KEY", &prepared.key));
    let output =
        pusher(&work, prepared, &server.url).env("PRECAST_SIGNING_KEY", &other).output().unwrap();
    let (out, err) = texts(&output, false);
    assert_eq!(output.status.code(), Some(3));
    assert!(out.starts_with("0 new artifacts, 0 signed as well, 2 known"), "{out}");
    assert!(err.contains("has another artifact for second 1.0.0"), "{err}");
    assert!(err.contains("precast 0.0.9") && err.contains("store pull"), "{err}");
}

/// Who may only read writes nothing, and nothing is signed without a key.
#[test]
fn writing_is_asked_for() {
    let work = work("shared-read");
    let prepared = prepared();
    let url = format!("file://{}", work.join("../shared").display());
    let mut reading = pusher(&work, prepared, &url);
    reading.env("PRECAST_SIGNING_KEY", &prepared.key).env("PRECAST_STORE_MODE", "read");
    let output = reading.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(texts(&output, false).1.contains("PRECAST_STORE_MODE=write"));
    let output = pusher(&work, prepared, &url).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(texts(&output, false).1.contains("store keygen FILE"));
    assert!(objects(&work.join("../shared"), "lean").is_empty());
    // Loopback alone is asked without TLS.
    let output = pusher(&work, prepared, "http://192.0.2.1/a").output().unwrap();
    assert!(texts(&output, false).1.contains("without TLS"));
}
