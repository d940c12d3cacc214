//! The store: many processes at once, some killed; damage, eviction and transport.

use super::fixture::{cargo, directory, ok, precast, put, registry_macro, store, texts, workspace};
use precast::cache::entries::Cache;
use precast::cache::{Key, Store};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

/// A store with nothing but the standard library, which takes a minute to make where the toolchain has
/// none for wasm.
pub fn cold(name: &str) -> PathBuf {
    let cold = directory(name).join("store");
    if store().join("sysroot").exists() {
        copy(&store().join("sysroot"), &cold.join("sysroot"));
    }
    cold
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => copy(&path, &to.join(path.file_name().unwrap())),
            false => drop(fs::copy(&path, to.join(path.file_name().unwrap())).unwrap()),
        }
    }
}

/// A project whose only macro is in a directory beside it.
fn project(base: &Path, name: &str) -> PathBuf {
    let place = base.join(name);
    let macro_manifest = "[package]\nname = \"nearby\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
        license = \"MIT\"\n[lib]\nproc-macro = true\n[workspace]\n";
    let code = "use proc_macro::TokenStream;\n#[proc_macro]\n\
        pub fn nearby(_: TokenStream) -> TokenStream { \"cfg!(nothing)\".parse().unwrap() }\n";
    put(base, &[("nearby/Cargo.toml", macro_manifest), ("nearby/src/lib.rs", code)]);
    let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
        [dependencies]\nnearby = { path = \"../nearby\" }\n[workspace]\n";
    put(
        &place,
        &[("Cargo.toml", manifest), ("src/lib.rs", "pub const A: bool = nearby::nearby!();\n")],
    );
    place
}

fn command(project: &Path, store: &Path, args: &[&str]) -> Command {
    let mut command = precast(project, args);
    command.env("PRECAST_CACHE_DIR", store);
    command
}

fn list(store: &Path) -> Value {
    let (out, _) = ok(command(store, store, &["store", "list"]).arg("--json"));
    serde_json::from_str(&out).unwrap()
}

#[test]
fn many_processes_on_a_cold_store() {
    const N: usize = 50;
    let store = cold("crowd");
    let base = store.parent().unwrap().to_owned();
    let start = |n: usize| -> Child {
        let project = base.join(format!("app{n}"));
        let args = ["build", "--members", "--quiet", "--offline"];
        let mut build = command(&project, &store, &args);
        // One target directory would make cargo itself wait.
        build.env("CARGO_BUILD_JOBS", "1").stdout(Stdio::null()).stderr(Stdio::piped());
        build.spawn().unwrap()
    };
    // Written before any of them starts: they share the macro.
    (0..N).for_each(|n| drop(project(&base, &format!("app{n}"))));
    let mut children: Vec<(usize, Child)> = (0..N).map(|n| (n, start(n))).collect();
    // Not truly random, so that a failure can be seen again; when each is hit depends on the machine.
    let mut killed = Vec::new();
    let mut state = 1u32;
    for _ in 0..15 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(Duration::from_millis(u64::from(state >> 24)));
        let victim = (state >> 8) as usize % N;
        // It may have ended, or been killed before.
        let _ = children[victim].1.kill();
        killed.push(victim);
    }
    for (n, child) in &mut children {
        let mut said = String::new();
        std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success() || killed.contains(n), "process {n}: {status}\n{said}");
    }
    let (out, _) = ok(&mut command(&base, &store, &["store", "verify"]));
    assert!(out.ends_with(", none damaged\n"), "{out}");
    assert_eq!(list(&store)["artifacts"].as_array().unwrap().len(), 1);
    for n in &killed {
        let project = base.join(format!("app{n}"));
        let (_, err) = ok(&mut command(&project, &store, &["build", "--members", "--offline"]));
        assert!(err.contains("1 macro package precompiled, 0 built"), "{err}");
    }
}

/// While one package is compiled, another that was packed before is found.
#[test]
fn who_finds_everything_waits_for_nobody() {
    let base = directory("waiting");
    registry_macro(&base, "known", "1.0.0", "[workspace]\n");
    registry_macro(&base, "slow", "1.0.0", "[workspace]\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    // Never the script of an earlier run, whose module is in the store.
    let script = format!(
        "// {:?}\nfn main() {{\nlet mut held = std::net::TcpStream::connect(\"{}\").unwrap();\n\
         held.set_read_timeout(Some(std::time::Duration::from_secs(240))).unwrap();\n\
         std::io::Read::read(&mut held, &mut [0]).expect(\"it is let go in time\");\n}}\n",
        SystemTime::now(),
        listener.local_addr().unwrap()
    );
    put(&base, &[("slow-1.0.0/build.rs", &script)]);
    let pack = |name: &str| {
        let args = ["pack", ".", "--json", "--offline", "-o", "../out"];
        precast(&base.join(format!("{name}-1.0.0")), &args)
    };
    ok(&mut pack("known"));
    let mut slow = pack("slow").stdout(Stdio::null()).spawn().unwrap();
    let held = loop {
        match listener.accept() {
            Ok((held, _)) => break held,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
        assert_eq!(slow.try_wait().unwrap(), None, "its build script was not run");
    };
    let (out, _) = ok(&mut pack("known"));
    let packed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(packed[0]["cached"], true, "{out}");
    assert_eq!(slow.try_wait().unwrap(), None, "nobody has waited for it");
    drop(held);
    assert!(slow.wait().unwrap().success());
}

#[test]
fn damage_and_transport() {
    let (first, second) = (cold("first"), directory("second").join("store"));
    let base = first.parent().unwrap().to_owned();
    let project = project(&base, "app");
    let (_, err) = ok(&mut command(&project, &first, &["check", "--members", "--offline"]));
    assert!(err.contains("1 packed now"), "{err}");
    let (out, _) = ok(&mut command(&base, &first, &["store", "list"]));
    assert!(out.starts_with("nearby 0.1.0 ") && out.contains("1 artifact"), "{out}");

    // The archive is the same each time, and a machine without a toolchain can use it.
    ok(&mut command(&base, &first, &["store", "export", "one.store"]));
    ok(&mut command(&base, &first, &["store", "export", "two.store", "nearby"]));
    let archive = fs::read(base.join("one.store")).unwrap();
    assert!(archive == fs::read(base.join("two.store")).unwrap());
    let (_, err) =
        texts(&command(&base, &first, &["store", "export", "x", "other"]).output().unwrap(), false);
    assert!(err.contains("the store has no other"), "{err}");
    let (out, _) = ok(&mut command(&base, &second, &["store", "import", "one.store"]));
    assert_eq!(out, "1 new artifact, 0 known before\n");
    let (out, _) = ok(&mut command(&base, &second, &["store", "import", "one.store"]));
    assert_eq!(out, "0 new artifacts, 1 known before\n");
    fs::remove_dir_all(project.join("target")).unwrap();
    let mut check = command(&project, &second, &["check", "--members", "--offline"]);
    let (_, err) = ok(check.env("PRECAST_RUSTC", "no-such-compiler"));
    assert!(err.contains("1 macro package precompiled, 0 built"), "{err}");
    assert!(!second.join("module").exists(), "nothing was packed");

    // Whatever byte is wrong, nothing of the archive is taken.
    let third = directory("third").join("store");
    for at in [0, archive.len() / 2, archive.len() - 1] {
        let mut damaged = archive.clone();
        damaged[at] ^= 1;
        fs::write(base.join("damaged.store"), damaged).unwrap();
        let import = ["store", "import", "damaged.store"];
        assert_eq!(command(&base, &third, &import).output().unwrap().status.code(), Some(3));
    }
    assert_eq!(list(&third)["artifacts"].as_array().unwrap().len(), 0);

    // A damaged artifact is found, and packed again rather than used.
    let entry = list(&first)["artifacts"][0]["id"].as_str().unwrap().to_owned();
    let file = first.join("artifact").join(entry).join("nearby-0.1.0.precast");
    let mut bytes = fs::read(&file).unwrap();
    bytes[1000] ^= 1;
    fs::write(&file, bytes).unwrap();
    let output = command(&base, &first, &["store", "verify"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    // The shim that was written from it is still good; a new one wants a new artifact.
    let check = ["check", "--members", "--offline"];
    let (_, err) = ok(&mut command(&project, &first, &check));
    assert!(err.contains("1 macro package precompiled, 0 built"), "{err}");
    for kept in ["shim", "compiled"] {
        fs::remove_dir_all(first.join(kept)).unwrap();
    }
    fs::remove_dir_all(project.join("target")).unwrap();
    ok(&mut command(&project, &first, &check));
    assert!(list(&first)["artifacts"].as_array().unwrap().is_empty(), "it is not kept");
    let (_, err) = ok(&mut command(&project, &first, &check));
    assert!(err.contains("1 packed now"), "{err}");
    ok(&mut command(&base, &first, &["store", "verify"]));
}

fn key(name: &str) -> Key {
    Key {
        name: name.into(),
        version: "1.0.0".into(),
        checksum: String::new(),
        features: ["a".to_owned()].into(),
        host: String::new(),
        abi: 1,
        generation: 1,
        dependencies: ["b 1.0.0 00 c".to_owned()].into(),
        environment: Default::default(),
        edited: Default::default(),
    }
}

#[test]
fn the_least_used_goes_first() {
    let place = directory("full");
    let store = Store::open(Some(&place)).unwrap();
    let names = ["first", "second", "third"];
    for (at, name) in names.iter().enumerate() {
        store.put(&key(name), &[0; 5000]).unwrap();
        let listing = place.join("artifact").join(key(name).id()).join(".precast-entry.json");
        let used = SystemTime::now() - Duration::from_secs(1000 - 100 * at as u64);
        fs::File::options().append(true).open(listing).unwrap().set_modified(used).unwrap();
    }
    let total = store.bytes();
    assert_eq!(store.clean(total).unwrap().n_removed, 0);
    // Used again, the oldest is the newest.
    assert!(store.get(&key("first")).is_some());
    assert_eq!(store.clean(total - 1).unwrap().n_removed, 1);
    let left: Vec<String> = store.list().into_iter().map(|item| item.key.unwrap().name).collect();
    assert_eq!(left, ["first", "third"]);
    // Who holds an entry's lock keeps it.
    let lock = store.lock(&key("third"), &|_: &str| {}).unwrap();
    let cleaned = store.clean(0).unwrap();
    assert_eq!((cleaned.n_removed, store.list().len()), (1, 1));
    drop(lock);
    assert_eq!(store.clean(0).unwrap().bytes_left, 0);

    // Whatever differs in what the artifact was made of is another entry.
    store.put(&key("first"), b"it").unwrap();
    let dependencies = Key { dependencies: ["b 1.0.1 00 c".to_owned()].into(), ..key("first") };
    let features = Key { features: Default::default(), ..key("first") };
    assert!(store.get(&dependencies).is_none() && store.get(&features).is_none());
    assert_eq!(store.get(&key("first")).unwrap(), b"it");
}

/// What builds read stays as long as one of them runs.
#[test]
fn builds_keep_what_they_read() {
    let place = directory("building");
    let store = Store::open(Some(&place)).unwrap();
    let cache = Cache::open(Some(&place)).unwrap();
    for key in ["one", "two"] {
        let write = |entry: &Path| {
            fs::write(entry.join("m"), "module").unwrap();
            Ok(())
        };
        cache.put("module", key, write).unwrap();
        put(&place, &[(&format!("build/{key}/file"), "built")]);
    }
    let lock = cache.lock("build", "two", &|_: &str| {}).unwrap();
    assert_eq!(store.clean(0).unwrap().n_removed, 1);
    assert_eq!((cache.keys("build"), cache.keys("module").len()), (vec!["two".to_owned()], 2));
    drop(lock);
    let cleaned = store.clean(0).unwrap();
    assert_eq!((cleaned.n_removed, cleaned.bytes_left), (3, 0));
}

#[test]
fn sizes() {
    let place = directory("sizes");
    let (out, _) = ok(&mut command(&place, &place, &["store", "gc", "--limit", "1G"]));
    assert_eq!(out, "removed 0 entries, 0.0 MB; 0.0 MB left\n");
    let output = command(&place, &place, &["store", "gc", "--limit", "much"]).output().unwrap();
    assert!(texts(&output, false).1.contains("`much` is not a size"));
}

/// Packing needs nothing that cargo has not fetched for the build: what the packages come from is gone.
#[test]
fn fetched_before_the_build() {
    let work = workspace("fetched");
    let (own, cold) = (directory("fetched-home"), cold("fetched-store"));
    let with = |mut command: Command| {
        command.env("CARGO_HOME", &own).env("PRECAST_CACHE_DIR", &cold);
        command
    };
    let build = || with(precast(&work, &["build", "--locked", "--offline"]));
    let (_, err) = texts(&build().output().unwrap(), false);
    assert!(err.contains("offline"), "{err}");
    let mut fetch = with(cargo(&work, &own));
    ok(fetch.args(["fetch", "--locked"]));
    fs::rename(work.join("../repository"), work.join("../gone")).unwrap();
    let (_, err) = ok(&mut build());
    assert!(err.contains("4 macro packages precompiled (4 packed now)"), "{err}");
}
