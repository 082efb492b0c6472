//! `peregrine run` on a world, as a process of its own that is looked at from outside.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use peregrine_devnet::world::World;
use rustix::process::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::restart::config;

/// A running program, and what it has said. A pipe takes that: a file would fill up with the others.
pub struct Run {
    pub child: Child,
    /// Where its numbers are.
    pub at: String,
    said: Arc<Mutex<String>>,
}

impl Run {
    /// With what `alter` makes of its configuration, behind these words of a shell.
    pub fn start(
        world: &World,
        (keys, spin): (&Path, bool),
        before: &str,
        alter: impl FnOnce(String) -> String,
    ) -> Self {
        let path = config(world, keys, spin);
        let at = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = alter(std::fs::read_to_string(&path).unwrap());
        std::fs::write(&path, format!("{text}[metrics]\nlisten = '{at}'\n")).unwrap();
        Self { at: format!("http://{at}"), ..Self::of(&path, before) }
    }

    /// With this configuration, behind these words of a shell; of its numbers nothing is known.
    pub fn of(path: &Path, before: &str) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!("{before} exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_peregrine")])
            .args(["run", "--live", "--config"])
            .arg(path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (heard, mut lines) = (said.clone(), BufReader::new(child.stderr.take().unwrap()).lines());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                println!("{line}");
                *heard.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self { child, at: String::new(), said }
    }

    /// The lines that hold these words.
    pub fn lines(&self, words: &str) -> Vec<String> {
        self.said().lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().unwrap() as i32).unwrap()
    }

    pub async fn get(&self, page: &str) -> Option<String> {
        reqwest::get(format!("{}/{page}", self.at)).await.ok()?.text().await.ok()
    }

    pub async fn status(&self) -> Value {
        self.get("status").await.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub fn is_running(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "it ended by itself: {}", self.said());
    }

    /// Ends it as an operator does.
    pub async fn end(&mut self) {
        rustix::process::kill_process(self.pid(), rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().await.unwrap().success(), "{}", self.said());
    }

    /// File descriptors that it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id().unwrap())).map_or(0, Iterator::count)
    }
}
