//! What on this host costs latency, read from /proc and /sys, each with the reason and the command that mends it.
//!
//! # Limits
//! - It reads, and changes nothing. In a virtual machine or a container much of it is the host's to say: then it is unknown.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// How a point stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It costs.
    Costs,
    /// The system does not say.
    Unknown,
}

/// One point.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub point: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What it costs.
    pub why: &'static str,
    /// The command, or the kernel parameter, that mends it.
    pub mend: &'static str,
}

/// Files opened at once: a node, relays, the ledger, the journal and some room.
const FILES: u64 = 65_536;
/// A hot thread, tokio's workers, the kernel, and the node beside it.
const CORES: usize = 4;

/// Looks at everything. `root`: where /proc and /sys are, `/` but in tests.
#[must_use]
pub fn examine(root: &Path) -> Vec<Finding> {
    let host = Host { root: root.to_path_buf() };
    vec![
        host.cores(),
        host.isolation(),
        host.ticks(),
        host.governor(),
        host.idle(),
        host.siblings(),
        host.clock(),
        host.huge_pages(),
        host.swap(),
        host.numa(),
        host.busy_poll(),
        host.files(),
        host.time(),
    ]
}

struct Host {
    root: PathBuf,
}

impl Host {
    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok().map(|text| text.trim().to_owned())
    }

    /// Judges a file by its text.
    fn judge(&self, path: &str, good: impl Fn(&str) -> bool) -> (Verdict, String) {
        match self.read(path) {
            None => (Verdict::Unknown, format!("no /{path}")),
            Some(text) if good(&text) => (Verdict::Good, text),
            Some(text) => (Verdict::Costs, if text.is_empty() { "none".to_owned() } else { text }),
        }
    }

    fn cores(&self) -> Finding {
        let cores = self.read("proc/cpuinfo").map_or(0, |text| text.matches("\nprocessor").count() + 1);
        let verdict = if cores >= CORES { Verdict::Good } else { Verdict::Costs };
        Finding {
            point: "cores",
            verdict,
            found: cores.to_string(),
            why: "a hot thread that shares its core waits for others: 16 to 34 µs a wake-up",
            mend: "a host with at least 4 cores, and the node on others than threads.cores",
        }
    }

    fn isolation(&self) -> Finding {
        let (verdict, found) = self.judge("sys/devices/system/cpu/isolated", |text| !text.is_empty());
        Finding {
            point: "isolated cores",
            verdict,
            found,
            why: "the scheduler puts other work on the hot threads' cores",
            mend: "kernel parameter isolcpus=managed_irq,domain,2-3 for threads.cores = [2, 3]",
        }
    }

    fn ticks(&self) -> Finding {
        let set = |text: &str| !text.is_empty() && text != "(null)";
        let (verdict, found) = self.judge("sys/devices/system/cpu/nohz_full", set);
        Finding {
            point: "timer ticks",
            verdict,
            found,
            why: "each core is interrupted 100 to 1000 times a second",
            mend: "kernel parameters nohz_full=2-3 rcu_nocbs=2-3",
        }
    }

    fn governor(&self) -> Finding {
        let path = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
        let (verdict, found) = self.judge(path, |text| text == "performance");
        Finding {
            point: "frequency governor",
            verdict,
            found,
            why: "a core that has been idle starts slow",
            mend: "cpupower frequency-set -g performance",
        }
    }

    fn idle(&self) -> Finding {
        let deep = (2..10).map(|state| format!("sys/devices/system/cpu/cpu0/cpuidle/state{state}/disable"));
        let states: Vec<String> = deep.filter_map(|path| self.read(&path)).collect();
        let (verdict, found) = match states.iter().filter(|state| *state == "0").count() {
            _ if states.is_empty() => (Verdict::Unknown, "no deep idle states shown".to_owned()),
            0 => (Verdict::Good, "deep idle states off".to_owned()),
            on => (Verdict::Costs, format!("{on} deep idle states on")),
        };
        Finding {
            point: "idle states",
            verdict,
            found,
            why: "waking from a deep state takes up to 200 µs",
            mend: "cpupower idle-set -D 1, or kernel parameters intel_idle.max_cstate=1 processor.max_cstate=1",
        }
    }

    fn siblings(&self) -> Finding {
        let (verdict, found) = self.judge("sys/devices/system/cpu/smt/active", |text| text == "0");
        Finding {
            point: "hyper-threads",
            verdict,
            found: if found == "1" { "on".to_owned() } else { found },
            why: "a sibling takes half of a hot core",
            mend: "echo off > /sys/devices/system/cpu/smt/control, or keep the siblings of threads.cores isolated and idle",
        }
    }

    fn clock(&self) -> Finding {
        let path = "sys/devices/system/clocksource/clocksource0/current_clocksource";
        let fast = |text: &str| ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"].contains(&text);
        let (verdict, found) = self.judge(path, fast);
        Finding {
            point: "clock source",
            verdict,
            found,
            why: "reading a clock becomes a system call: 1 µs and not 0.02",
            mend: "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource, kernel parameter tsc=reliable",
        }
    }

    fn huge_pages(&self) -> Finding {
        let path = "sys/kernel/mm/transparent_hugepage/enabled";
        let (verdict, found) = self.judge(path, |text| !text.contains("[never]"));
        Finding {
            point: "huge pages",
            verdict,
            found,
            why: "a large state misses the TLB at every look-up",
            mend: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, MIMALLOC_ALLOW_LARGE_OS_PAGES=1",
        }
    }

    fn swap(&self) -> Finding {
        let (verdict, found) = self.judge("proc/swaps", |text| text.lines().count() <= 1);
        let found = if verdict == Verdict::Good { "off".to_owned() } else { found.lines().skip(1).collect() };
        Finding {
            point: "swap",
            verdict,
            found,
            why: "a page that was swapped out costs milliseconds, and memory with keys may reach the disk",
            mend: "swapoff -a",
        }
    }

    fn numa(&self) -> Finding {
        let (verdict, found) = self.judge("proc/sys/kernel/numa_balancing", |text| text == "0");
        Finding {
            point: "numa balancing",
            verdict,
            found,
            why: "the kernel unmaps pages to see who uses them",
            mend: "sysctl kernel.numa_balancing=0",
        }
    }

    fn busy_poll(&self) -> Finding {
        let (verdict, found) = self.judge("proc/sys/net/core/busy_poll", |text| text != "0");
        Finding {
            point: "socket busy polling",
            verdict,
            found: format!("{found} µs"),
            why: "a packet waits for an interrupt, and the interrupt for the core",
            mend: "sysctl net.core.busy_poll=50 net.core.busy_read=50",
        }
    }

    fn files(&self) -> Finding {
        let limit = self.read("proc/self/limits").and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("Max open files"))?.to_owned();
            line.split_whitespace().nth(3).map(str::to_owned)
        });
        let verdict = match limit.as_deref() {
            None => Verdict::Unknown,
            Some("unlimited") => Verdict::Good,
            Some(text) if text.parse::<u64>().is_ok_and(|files| files >= FILES) => Verdict::Good,
            Some(_) => Verdict::Costs,
        };
        Finding {
            point: "open files",
            verdict,
            found: limit.unwrap_or_else(|| "no /proc/self/limits".to_owned()),
            why: "connections are refused when they run out",
            mend: "ulimit -n 65536, or LimitNOFILE=65536 in the unit",
        }
    }

    fn time(&self) -> Finding {
        let keepers = ["run/systemd/timesync/synchronized", "run/chrony/chronyd.pid", "run/chronyd.pid", "run/ptp4l"];
        let found = keepers.iter().find(|path| self.root.join(path).exists());
        Finding {
            point: "time sync",
            verdict: if found.is_some() { Verdict::Good } else { Verdict::Costs },
            found: found.map_or_else(|| "neither chrony, ptp4l nor timesyncd".to_owned(), |path| format!("/{path}")),
            why: "when a slot ends is told by the clock: a bundle that is late by it is lost",
            mend: "apt install chrony && systemctl enable --now chrony (ptp4l where the network card has a clock)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> Vec<Finding> {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, text).expect("a file");
        }
        examine(root.path())
    }

    fn verdict(findings: &[Finding], point: &str) -> Verdict {
        findings.iter().find(|finding| finding.point == point).expect(point).verdict
    }

    #[test]
    fn a_host_that_says_nothing_is_unknown_and_not_good() {
        let findings = host(&[]);
        assert!(findings.iter().all(|finding| finding.verdict != Verdict::Good), "{findings:?}");
    }

    #[test]
    fn what_costs_and_what_does_not_is_told_apart() {
        let cpu = "sys/devices/system/cpu";
        let good = host(&[
            (&format!("{cpu}/isolated"), "2-3\n"),
            (&format!("{cpu}/cpu0/cpufreq/scaling_governor"), "performance\n"),
            (&format!("{cpu}/cpu0/cpuidle/state2/disable"), "1\n"),
            ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
            ("proc/swaps", "Filename Type Size Used Priority\n"),
            ("proc/self/limits", "Limit Soft Hard Units\nMax open files            1048576  1048576  files\n"),
        ]);
        let bad = host(&[
            (&format!("{cpu}/isolated"), "\n"),
            (&format!("{cpu}/cpu0/cpufreq/scaling_governor"), "powersave\n"),
            (&format!("{cpu}/cpu0/cpuidle/state2/disable"), "0\n"),
            ("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"),
            ("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n"),
            ("proc/self/limits", "Limit Soft Hard Units\nMax open files            1024  1048576  files\n"),
        ]);
        for point in ["isolated cores", "frequency governor", "idle states", "clock source", "swap", "open files"] {
            assert_eq!((verdict(&good, point), verdict(&bad, point)), (Verdict::Good, Verdict::Costs), "{point}");
        }
    }
}
