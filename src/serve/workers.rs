//! Several requests at once: each is given to a process of its own, for variables and the current directory are a
//! process's. One that takes too long is ended, and another one takes its place.

use super::rpc;
use crate::base::error::{Context, Result};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The processes, and how to start one.
pub struct Pool {
    /// Starts a process that answers one request after another.
    pub start: fn() -> Command,
    pub n_workers: usize,
    /// What one request may take.
    pub limit: Duration,
}

struct Worker {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Pool {
    /// Answers until the other side closes the channel and all it has asked is answered. Answers come in the order in which
    /// they are ready.
    pub fn serve(&self, input: impl BufRead, output: impl Write + Send) -> Result<()> {
        let output = Mutex::new(output);
        let write = |answer: &str| {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever does not listen any more closes the other direction as well.
            let _ = writeln!(output, "{answer}").and_then(|()| output.flush());
        };
        let (sender, receiver) = mpsc::sync_channel::<String>(self.n_workers * 64);
        let receiver = Arc::new(Mutex::new(receiver));
        std::thread::scope(|scope| {
            for _ in 0..self.n_workers {
                let receiver = Arc::clone(&receiver);
                scope.spawn(move || {
                    let mut worker = None;
                    loop {
                        let line = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok(line) = line else { break };
                        if let Some(answer) = self.answer(&mut worker, &line) {
                            write(&answer);
                        }
                    }
                });
            }
            for line in input.lines() {
                let line = line.context("cannot read standard input")?;
                if !line.trim().is_empty() && sender.send(line).is_err() {
                    break;
                }
            }
            drop(sender);
            Ok(())
        })
    }

    fn answer(&self, worker: &mut Option<Worker>, line: &str) -> Option<String> {
        let id = match rpc::read(line) {
            Ok(request) => request.id?,
            Err(answer) => return Some(answer.to_string()),
        };
        let ended = |message: &str| rpc::failure(&id, rpc::ENDED, message, Value::Null).to_string();
        let mut running = match worker.take().map_or_else(|| Worker::start((self.start)()), Ok) {
            Ok(running) => running,
            Err(error) => return Some(ended(&format!("cannot start a worker: {error}"))),
        };
        let sent = writeln!(running.input, "{line}").and_then(|()| running.input.flush());
        let answer = match sent {
            Ok(()) => running.lines.recv_timeout(self.limit),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        Some(match answer {
            Ok(answer) => {
                *worker = Some(running);
                answer
            }
            Err(RecvTimeoutError::Timeout) => {
                ended(&format!("the request took longer than {} s", self.limit.as_secs_f32()))
            }
            Err(RecvTimeoutError::Disconnected) => ended("the worker has ended"),
        })
    }
}

impl Worker {
    fn start(mut command: Command) -> std::io::Result<Worker> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let missing = || std::io::Error::other("it has no standard streams");
        let (input, output) = (input.ok_or_else(missing)?, output.ok_or_else(missing)?);
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(|line| line.ok()) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Worker { child, input, lines })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
