//! An HTTP server over a folder, which fails as it is told to.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// 500 to everything.
    Broken,
    /// 403 to everything, as where credentials have expired.
    Forbidden,
    /// Half of what was announced, then the end.
    Truncated,
    /// A byte now and then.
    Slow,
    /// Never an answer.
    Silent,
    /// Another object than the one that was asked for.
    Wrong,
    /// Bytes that nobody has written.
    Garbage,
}

pub struct Server {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    fault: Mutex<Fault>,
    n_requests: AtomicUsize,
    n_bytes: AtomicUsize,
}

impl Server {
    pub fn start(folder: &Path) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/some/folder", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            fault: Mutex::new(Fault::None),
            n_requests: AtomicUsize::new(0),
            n_bytes: AtomicUsize::new(0),
        });
        let threads = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = threads.clone();
                // Whoever hangs up before the end has what they wanted.
                std::thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Server { url, shared }
    }

    pub fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = fault;
    }

    /// Requests and bytes since the last call.
    pub fn take(&self) -> (usize, usize) {
        let Shared { n_requests, n_bytes, .. } = &*self.shared;
        (n_requests.swap(0, Ordering::SeqCst), n_bytes.swap(0, Ordering::SeqCst))
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let (mut length, mut only_new) = (0, false);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim().to_ascii_lowercase();
            match header.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(("if-none-match", "*")) => only_new = true,
                _ if header.is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        shared.n_requests.fetch_add(1, Ordering::SeqCst);
        let path = shared.folder.join(words[1].strip_prefix("/some/folder/").unwrap());
        let fault = *shared.fault.lock().unwrap();
        match (words[0].as_str(), fault) {
            (_, Fault::Broken) => answer(&mut stream, "500 Internal Server Error", b"")?,
            (_, Fault::Forbidden) => answer(&mut stream, "403 Forbidden", b"expired")?,
            (_, Fault::Silent) => std::thread::sleep(Duration::from_secs(30)),
            ("PUT", _) => {
                let _alone = shared.fault.lock().unwrap();
                if only_new && path.exists() {
                    answer(&mut stream, "412 Precondition Failed", b"")?;
                } else {
                    fs::create_dir_all(path.parent().unwrap())?;
                    fs::write(&path, &body)?;
                    answer(&mut stream, "201 Created", b"")?;
                }
            }
            _ => match fs::read(&path) {
                Err(_) => answer(&mut stream, "404 Not Found", b"")?,
                Ok(found) => {
                    shared.n_bytes.fetch_add(found.len(), Ordering::SeqCst);
                    give(&mut stream, found, &path, fault)?;
                }
            },
        }
        if matches!(fault, Fault::Truncated | Fault::Slow) {
            return Ok(());
        }
    }
}

fn give(stream: &mut TcpStream, found: Vec<u8>, path: &Path, fault: Fault) -> std::io::Result<()> {
    match fault {
        Fault::Truncated => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", found.len())?;
            stream.write_all(&found[..found.len() / 2])
        }
        Fault::Slow => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", found.len())?;
            for byte in found.chunks(1) {
                stream.write_all(byte)?;
                std::thread::sleep(Duration::from_millis(300));
            }
            Ok(())
        }
        Fault::Wrong => {
            let package = path.parent().unwrap().parent().unwrap();
            let others = fs::read_dir(package.parent().unwrap())?.flatten().map(|e| e.path());
            let other = others.filter(|other| other != package).min().unwrap();
            let files = super::fixture::files(&other);
            let lean = files.iter().find(|(path, _)| path.extension().is_some_and(|e| e == "lean"));
            answer(stream, "200 OK", &lean.unwrap().1)
        }
        Fault::Garbage => answer(stream, "200 OK", &vec![b'x'; 5000]),
        _ => answer(stream, "200 OK", &found),
    }
}

fn answer(stream: &mut TcpStream, status: &str, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)
}
