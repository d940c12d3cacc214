//! `cargo xtask array`: a list of packages, packed by an array of jobs of a real Slurm into a server of the S3 protocol;
//! some jobs are killed in the middle. Then all must be there, none twice, each verified, and the report right.

mod slurm;

use crate::run::{capture, cargo_precast, clear, command, read, root, scratch, write, Result};
use serde_json::Value;
use slurm::Slurm;
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const N_JOBS: usize = 8;
const N_KILLED: usize = 3;
const N_PACKAGES: usize = 200;

/// The server of the S3 protocol, from Python's registry.
const SERVER: &str = "moto[server]==5.2.5";
const PORT: u16 = 5555;
const BUCKET: &str = "macros";

/// Seconds after which a killed job's work is another's.
const LEASE: &str = "60";

pub fn array(args: &[&str]) -> Result {
    let n = match args {
        [] => N_PACKAGES,
        ["--n", n] => n.parse().map_err(|_| format!("`{n}` is not a number"))?,
        _ => return Err("array takes `--n N` alone".into()),
    };
    let place = Place { folder: scratch("array"), program: cargo_precast()? };
    clear(&place.folder)?;
    let names = names(n)?;
    write(&place.folder.join("list.txt"), &(names.join("\n") + "\n"))?;
    let _server = place.serve()?;
    capture(place.precast(&["store", "keygen", "key"]).env_remove("PRECAST_SIGNING_KEY"))?;
    let slurm = Slurm::start(&place.folder.join("slurm"), N_JOBS)?;
    let start = Instant::now();
    let id = slurm.submit(N_JOBS, &place.job())?;
    // One after another, each while it is at work.
    for killed in 1..=N_KILLED {
        place.wait_for(killed * n / 10)?;
        slurm.kill(id, killed)?;
        println!("job {killed} of {N_JOBS} is killed");
    }
    slurm.wait(id)?;
    let wall = start.elapsed().as_secs();
    let report = place.report()?;
    let n_failed = check(&names, &report)?;
    println!("{} packed, {n_failed} failed, by {N_JOBS} jobs of which {N_KILLED} were killed, in {wall} s", n - n_failed);
    place.verify(&report)
}

/// The first packages of the corpus, then others of the registry.
fn names(n: usize) -> Result<Vec<String>> {
    let mut names = BTreeSet::new();
    let corpus = root().join("fixtures/corpus");
    for entry in std::fs::read_dir(&corpus).map_err(|e| e.to_string())?.flatten() {
        if entry.path().is_dir() {
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    let mut chosen: Vec<String> = names.iter().take(n).cloned().collect();
    for line in read(&root().join("fixtures/strangers.txt"))?.lines() {
        let Some(name) = line.split_whitespace().next().filter(|name| *name != "#") else {
            continue;
        };
        if chosen.len() < n && names.insert(name.to_owned()) {
            chosen.push(name.to_owned());
        }
    }
    match chosen.len() == n {
        true => Ok(chosen),
        false => Err(format!("only {} packages are known", chosen.len())),
    }
}

/// Every package is told of once; what was made has no key twice. How many failed.
fn check(names: &[String], report: &[Value]) -> Result<usize> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told: BTreeSet<String> = report.iter().map(|done| text(&done["item"])).collect();
    let missing: Vec<&String> = names.iter().filter(|name| !told.contains(*name)).collect();
    if !missing.is_empty() || told.len() != report.len() {
        return Err(format!("the report has {} lines, and lacks {missing:?}", report.len()));
    }
    let failed: Vec<&Value> = report.iter().filter(|done| !done["problem"].is_null()).collect();
    for done in &failed {
        println!("{}: {}", text(&done["item"]), text(&done["problem"]));
    }
    Ok(failed.len())
}

struct Place {
    folder: PathBuf,
    program: PathBuf,
}

impl Place {
    fn precast(&self, words: &[&str]) -> Command {
        let mut precast = command(&self.program);
        precast.args(words).current_dir(&self.folder);
        for (name, value) in self.variables() {
            precast.env(name, value);
        }
        precast
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        vec![
            ("PRECAST_CACHE_DIR", file("cache")),
            ("PRECAST_STORE_URL", format!("s3://{BUCKET}/array")),
            ("PRECAST_STORE_MODE", "write".into()),
            ("PRECAST_STORE_DEADLINE", "120".into()),
            ("PRECAST_SIGNING_KEY", file("key")),
            ("PRECAST_TRUSTED_KEYS", file("key.pub")),
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{PORT}")),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "precast".into()),
            ("AWS_SECRET_ACCESS_KEY", "precast".into()),
        ]
    }

    /// The script of each job. Each has a cache of its own, as machines have.
    fn job(&self) -> String {
        let mut script = format!("#!/bin/sh\ncd '{}'\n", self.folder.display());
        for (name, value) in self.variables() {
            script += &format!("export {name}='{value}'\n");
        }
        script += &format!(
            "export PRECAST_CACHE_DIR='{}'/cache-$SLURM_ARRAY_TASK_ID\n\
             exec '{}' pack --list list.txt --push --lease {LEASE} --report report\n",
            self.folder.display(),
            self.program.display(),
        );
        script
    }

    fn serve(&self) -> Result<Server> {
        let python = self.folder.join("python");
        eprintln!("array: about to install {SERVER} of Python's registry into target/array");
        capture(command("python3").args(["-m", "venv"]).arg(&python))?;
        capture(command(python.join("bin/pip")).args(["install", "--quiet", SERVER]))?;
        let mut server = command(python.join("bin/moto_server"));
        server.args(["-H", "127.0.0.1", "-p", &PORT.to_string()]);
        server.stdout(Stdio::null()).stderr(Stdio::null());
        let server = Server(server.spawn().map_err(|e| format!("cannot start the server: {e}"))?);
        until("the server does not answer", Duration::from_secs(60), || {
            Ok(TcpStream::connect(("127.0.0.1", PORT)).is_ok())
        })?;
        let script = format!(
            "import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:{PORT}/{BUCKET}', method='PUT'))"
        );
        capture(command("python3").args(["-c", &script]))?;
        Ok(server)
    }

    /// Returns when so many packages are in the store.
    fn wait_for(&self, n: usize) -> Result {
        until("nothing is packed", Duration::from_secs(3600), || Ok(self.listed()?.len() >= n))
    }

    /// Names and keys in the store.
    fn listed(&self) -> Result<Vec<(String, String)>> {
        let output = capture(&mut self.precast(&["store", "list", "--remote", "--json"]))?;
        let list: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let artifacts = list["artifacts"].as_array().cloned().unwrap_or_default();
        Ok(artifacts.iter().map(|item| (text(&item["name"]), text(&item["id"]))).collect())
    }

    fn report(&self) -> Result<Vec<Value>> {
        serde_json::from_str(&read(&self.folder.join("report/report.json"))?)
            .map_err(|e| format!("cannot read the report: {e}"))
    }

    /// What the report says was made is what the store has; each is fetched and verified.
    fn verify(&self, report: &[Value]) -> Result {
        let made =
            report.iter().flat_map(|done| done["made"].as_array().cloned().unwrap_or_default());
        let made: Vec<String> =
            made.filter_map(|made| Some(made["id"].as_str()?.to_owned())).collect();
        let ids: BTreeSet<&String> = made.iter().collect();
        let listed = self.listed()?;
        let stored: BTreeSet<&String> = listed.iter().map(|(_, id)| id).collect();
        if ids != stored {
            return Err(format!(
                "the report names {} artifacts, the store has {}",
                ids.len(),
                stored.len()
            ));
        }
        let names: BTreeSet<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
        let empty = self.folder.join("cache-empty");
        let mut pull = self.precast(&["store", "pull"]);
        capture(pull.args(&names).env("PRECAST_CACHE_DIR", &empty))?;
        let mut verify = self.precast(&["store", "verify"]);
        let output = capture(verify.env("PRECAST_CACHE_DIR", &empty))?;
        print!("{}", String::from_utf8_lossy(&output.stdout));
        Ok(())
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks again and again, as long as `limit`.
fn until(failure: &str, limit: Duration, mut is_so: impl FnMut() -> Result<bool>) -> Result {
    let start = Instant::now();
    while !is_so()? {
        if start.elapsed() > limit {
            return Err(failure.into());
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn start_daemon(command: &mut Command) -> Result {
    capture(command.stdout(Stdio::null())).map(drop)
}

/// Whether a program is on the path, or where daemons are.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).any(|file| Path::is_file(&file))
}
