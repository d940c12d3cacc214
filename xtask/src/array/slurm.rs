//! Debian's Slurm with one node, which is this machine, and everything it writes in one folder.

use super::{is_installed, start_daemon, until};
use crate::run::{capture, command, run, write, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PACKAGES: [&str; 4] = ["slurmctld", "slurmd", "slurm-client", "munge"];
const LONGEST: Duration = Duration::from_secs(4 * 60 * 60);

pub struct Slurm {
    folder: PathBuf,
}

impl Slurm {
    /// With so many processors, whatever the machine has.
    pub fn start(folder: &Path, n_processors: usize) -> Result<Slurm> {
        if !["sbatch", "slurmctld", "slurmd", "munged"].into_iter().all(is_installed) {
            eprintln!("array: about to install Debian's packages {}", PACKAGES.join(" "));
            let mut apt = crate::setup::apt();
            run(apt.args(["install", "-y", "-qq", "--no-install-recommends"]).args(PACKAGES))?;
        }
        let slurm = Slurm { folder: folder.to_owned() };
        write(&folder.join("slurm.conf"), &slurm.configuration(n_processors)?)?;
        for made in ["state", "spool"] {
            std::fs::create_dir_all(folder.join(made)).map_err(|e| e.to_string())?;
        }
        capture(
            command("dd")
                .args(["if=/dev/urandom", "bs=1024", "count=1"])
                .arg(slurm.option("of", "munge.key")),
        )?;
        capture(command("chmod").arg("400").arg(folder.join("munge.key")))?;
        let mut munge = slurm.daemon("munged");
        munge.arg("--force").arg(slurm.option("--key-file", "munge.key"));
        for (option, file) in [
            ("--socket", "socket"),
            ("--pid-file", "pid"),
            ("--log-file", "log"),
            ("--seed-file", "seed"),
        ] {
            munge.arg(slurm.option(option, &format!("munge.{file}")));
        }
        start_daemon(&mut munge)?;
        start_daemon(&mut slurm.daemon("slurmctld"))?;
        start_daemon(&mut slurm.daemon("slurmd"))?;
        until("Slurm's node is not idle", Duration::from_secs(60), || {
            let output = capture(slurm.command("sinfo").args(["--noheader", "--format=%t"]))?;
            Ok(output.stdout.starts_with(b"idle"))
        })?;
        Ok(slurm)
    }

    fn configuration(&self, n_processors: usize) -> Result<String> {
        let name =
            String::from_utf8_lossy(&capture(&mut command("hostname"))?.stdout).trim().to_owned();
        let file = |file: &str| self.folder.join(file).display().to_string();
        Ok(format!(
            "ClusterName=precast\nSlurmctldHost={name}(127.0.0.1)\nSlurmUser=root\n\
             AuthType=auth/munge\nAuthInfo=socket={}\nCryptoType=crypto/munge\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nReturnToService=2\nMpiDefault=none\n\
             SlurmctldPidFile={}\nSlurmdPidFile={}\nSlurmdSpoolDir={}\nStateSaveLocation={}\n\
             SlurmctldLogFile={}\nSlurmdLogFile={}\nSlurmdParameters=config_overrides\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n\
             AccountingStorageType=accounting_storage/none\nJobAcctGatherType=jobacct_gather/none\n\
             NodeName={name} NodeAddr=127.0.0.1 CPUs={n_processors} State=UNKNOWN\n\
             PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n",
            file("munge.socket"),
            file("controller.pid"),
            file("node.pid"),
            file("spool"),
            file("state"),
            file("controller.log"),
            file("node.log"),
        ))
    }

    fn option(&self, option: &str, file: &str) -> String {
        format!("{option}={}", self.folder.join(file).display())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = command(program);
        command.env("SLURM_CONF", self.folder.join("slurm.conf"));
        command
    }

    fn daemon(&self, program: &str) -> Command {
        self.command(&format!("/usr/sbin/{program}"))
    }

    /// Starts the script as an array of jobs; its number.
    pub fn submit(&self, n_jobs: usize, script: &str) -> Result<usize> {
        let file = self.folder.join("job.sh");
        write(&file, script)?;
        let mut batch = self.command("sbatch");
        batch.arg("--parsable").arg(format!("--array=1-{n_jobs}"));
        let output = capture(batch.arg(self.option("--output", "%a.log")).arg(&file))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.trim().parse().map_err(|_| format!("sbatch says `{}`", text.trim()))
    }

    /// Kills all processes of one job of the array, at once.
    pub fn kill(&self, id: usize, task: usize) -> Result {
        let mut cancel = self.command("scancel");
        capture(cancel.args(["--full", "--signal=KILL"]).arg(format!("{id}_{task}"))).map(drop)
    }

    /// Returns when no job of the array is left.
    pub fn wait(&self, id: usize) -> Result {
        until("the jobs do not end", LONGEST, || {
            let output = capture(self.command("squeue").arg("--noheader"))?;
            Ok(!String::from_utf8_lossy(&output.stdout).contains(&id.to_string()))
        })
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        for pid in ["node.pid", "controller.pid", "munge.pid"] {
            if let Ok(pid) = std::fs::read_to_string(self.folder.join(pid)) {
                let _ = command("kill").arg(pid.trim()).status();
            }
        }
    }
}
