//! What the edge served, hour by hour: CloudWatch's metrics of a distribution.
//!
//! It is counted in this process and kept in a file of its own beside the state, a line for each time that it was put down: two processes
//! that serve at once lose nothing of each other's, and the state's document stays as it is.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use serde::{Deserialize, Serialize};

use super::private_files::build_private_file_options;

/// One hour at the edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeTrafficHour {
    pub requests: u64,
    pub bytes: u64,
    pub client_errors: u64,
    pub server_errors: u64,
    pub hits: u64,
}

impl EdgeTrafficHour {
    /// Adds what else was served in it.
    pub fn add_traffic(&mut self, other: &Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
        self.hits += other.hits;
    }
}

/// Hours since 1970, of each distribution by its id.
pub type EdgeTrafficByHour = BTreeMap<String, BTreeMap<u64, EdgeTrafficHour>>;

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct TrafficLine {
    distribution: String,
    hour: u64,
    #[serde(flatten)]
    served: EdgeTrafficHour,
}

/// What was counted and isn't in the file yet; it is put there when this goes.
pub struct EdgeTrafficCounter {
    path: PathBuf,
    counted: EdgeTrafficByHour,
}

impl EdgeTrafficCounter {
    /// Counts for the sandbox in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { path: dir.join("edge-traffic"), counted: BTreeMap::new() }
    }

    /// Counts one answer.
    pub fn count_answer(&mut self, distribution: &str, now: Duration, answer: &Response<Bytes>, how: &str) {
        let served = EdgeTrafficHour {
            requests: 1,
            bytes: answer.body().len() as u64,
            client_errors: u64::from(answer.status().is_client_error()),
            server_errors: u64::from(answer.status().is_server_error()),
            hits: u64::from(how.starts_with("Hit")),
        };
        let hours = self.counted.entry(distribution.to_owned()).or_default();
        hours.entry(now.as_secs() / 3600).or_default().add_traffic(&served);
    }

    /// Returns all that was counted, by whichever process.
    pub fn read_all_traffic(&mut self) -> EdgeTrafficByHour {
        self.write_counted_traffic();
        let mut all = EdgeTrafficByHour::new();
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        for line in text.lines().filter_map(|line| serde_json::from_str::<TrafficLine>(line).ok()) {
            all.entry(line.distribution).or_default().entry(line.hour).or_default().add_traffic(&line.served);
        }
        all
    }

    /// Puts down what was counted. Lost, it loses no more than counts.
    fn write_counted_traffic(&mut self) {
        if self.counted.is_empty() {
            return;
        }
        let lines: String = std::mem::take(&mut self.counted)
            .into_iter()
            .flat_map(|(distribution, hours)| {
                hours.into_iter().map(move |(hour, served)| TrafficLine {
                    distribution: distribution.clone(),
                    hour,
                    served,
                })
            })
            .filter_map(|line| serde_json::to_string(&line).ok())
            .map(|line| line + "\n")
            .collect();
        // One write to the end: lines of two processes never mix.
        let file = build_private_file_options().create(true).append(true).open(&self.path);
        let _ = file.and_then(|mut file| file.write_all(lines.as_bytes()));
    }
}

impl Drop for EdgeTrafficCounter {
    fn drop(&mut self) {
        self.write_counted_traffic();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_processes_count_comes_together() {
        let dir = tempfile::tempdir().unwrap();
        let answer = |status: u16| {
            let mut answer = Response::new(Bytes::from_static(b"12345"));
            *answer.status_mut() = status.try_into().unwrap();
            answer
        };
        let hour = Duration::from_hours(7);
        for status in [200, 503] {
            let mut counter = EdgeTrafficCounter::new(dir.path());
            counter.count_answer("E1", hour, &answer(status), "Hit from cloudfront");
        }
        let all = EdgeTrafficCounter::new(dir.path()).read_all_traffic();
        let served = EdgeTrafficHour { requests: 2, bytes: 10, client_errors: 0, server_errors: 1, hits: 2 };
        assert_eq!(all["E1"], BTreeMap::from([(7, served)]));
    }
}
