//! Replicas that share through Redis: what they cost VMware Cloud and Redis, how soon each shows a
//! change, and what sharing adds to a cached answer.
//!
//! Polls each second and tokens of twenty seconds stand for the usual ones, so that half a minute shows
//! what else takes a quarter of an hour. Each replica is asked a hundred times a second meanwhile.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use support::{
    http,
    process::{Cloud, SECRET, Served, file, gateway},
    redis::RedisServer,
};
use tempfile::TempDir;

use crate::{
    load::Load,
    server::{self, Server, now},
    turns::{self, Turn},
};

const SIZES: [usize; 3] = [1, 3, 10];
const SPAN: Duration = Duration::from_secs(30);
const BETWEEN_CHANGES: Duration = Duration::from_millis(1300);
const BETWEEN_REQUESTS: Duration = Duration::from_millis(10);
const KEYS: &str = "YmVuY2gta2V5LWJlbmNoLWtleS1iZW5jaC1rZXktYmVuY2gta2V5";

/// What VMware Cloud and Redis were asked in a span.
struct Asked {
    mints: u64,
    reads: u64,
    commands: u64,
    bytes: u64,
}

struct Site {
    cloud: Cloud,
    redis: RedisServer,
    replicas: Vec<Served>,
    _folder: TempDir,
}

pub fn measure() {
    println!(
        "Replicas with one Redis: polls each second, tokens of 20 s, 100 requests a second each, {} s\n",
        SPAN.as_secs()
    );
    let mut alone = None;
    for replicas in SIZES {
        let (asked, delays) = shared(replicas);
        let (mints, reads) = *alone.get_or_insert((asked.mints, asked.reads));
        let ratio = |count: u64, of: u64| format!("{count} ({:.2} x)", as_f64(count) / as_f64(of));
        println!("  {replicas} replica(s)");
        println!(
            "    VMware Cloud: mints {}, reads {}",
            ratio(asked.mints, mints),
            ratio(asked.reads, reads)
        );
        let per_read = |count: u64| as_f64(count) / as_f64(asked.reads.max(1));
        println!(
            "    Redis, for each read: {:.1} commands, {:.1} KB",
            per_read(asked.commands),
            per_read(asked.bytes) / 1000.0
        );
        if let Some((p50, p99, max)) = percentiles(delays) {
            println!(
                "    a change, after the first replica that shows it: p50 {p50:.1} ms, p99 {p99:.1} ms, \
                 at most {max:.1} ms"
            );
        }
        let dead = without_redis(replicas);
        println!(
            "    without Redis: mints {}, reads {}",
            ratio(dead.mints, mints),
            ratio(dead.reads, reads)
        );
    }
    println!();
    cached_answer();
}

fn shared(replicas: usize) -> (Asked, Vec<f64>) {
    let site = Site::start(replicas);
    let stop = Arc::new(AtomicBool::new(false));
    let load = site.load(&stop);
    let (sender, seen) = mpsc::channel();
    for replica in &site.replicas {
        watch(replica.api, sender.clone());
    }
    let before = site.asked();
    let delays = site.change(&seen);
    let asked = site.asked().since(&before);
    stop.store(true, Ordering::Relaxed);
    join(load);
    (asked, delays)
}

fn without_redis(replicas: usize) -> Asked {
    let mut site = Site::start(replicas);
    site.redis.kill();
    let stop = Arc::new(AtomicBool::new(false));
    let load = site.load(&stop);
    let before = site.upstream();
    thread::park_timeout(SPAN);
    let after = site.upstream();
    stop.store(true, Ordering::Relaxed);
    join(load);
    Asked { mints: after.0 - before.0, reads: after.1 - before.1, commands: 0, bytes: 0 }
}

impl Site {
    fn start(replicas: usize) -> Self {
        let (cloud, redis) = (Cloud::start(&["--token-ttl", "20"]), RedisServer::start());
        let folder = TempDir::new().expect("the temporary folder is writable");
        let keys = file(&folder, "keys", KEYS);
        let replica = || {
            gateway(&["serve"])
                .of(&cloud)
                .with_secret(SECRET)
                .with("SDDC_GATEWAY_SHARED__REDIS_URL", redis.url())
                .with("SDDC_GATEWAY_KEYS__FILE", &keys)
                .with("SDDC_GATEWAY_INVENTORY__POLL", "1s")
                .with("SDDC_GATEWAY_INVENTORY__FRESH", "2s")
                .serve()
        };
        let replicas: Vec<_> = (0..replicas).map(|_| replica()).collect();
        for replica in &replicas {
            support::process::until("it answers", || replica.get("/sddcs").status == 200);
        }
        Self { cloud, redis, replicas, _folder: folder }
    }

    /// Asks each replica all the time.
    fn load(&self, stop: &Arc<AtomicBool>) -> Vec<thread::JoinHandle<()>> {
        let ask = |replica: &Served| {
            let (address, stop) = (replica.api, stop.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let answer =
                        http::ask(address, "GET /sddcs HTTP/1.1\r\nHost: localhost\r\n", "");
                    assert_eq!(answer.status, 200, "{answer:?}");
                    thread::park_timeout(BETWEEN_REQUESTS);
                }
            })
        };
        self.replicas.iter().map(ask).collect()
    }

    /// Changes a name now and then. Gives how many ms after the first replica each of the others has
    /// shown it.
    fn change(&self, seen: &mpsc::Receiver<(usize, Instant)>) -> Vec<f64> {
        let items = self.replicas[0].get("/sddcs?fields=id").json()["items"].clone();
        let id = items[0]["id"].as_str().expect("there are SDDCs").to_owned();
        let (begun, mut delays) = (now(), Vec::new());
        for number in 0.. {
            if begun.elapsed() > SPAN {
                break;
            }
            let name = json!({"name": format!("change-{number}")});
            self.cloud.control("PATCH", &format!("/__sddcs/{id}"), &name);
            let mut times = Vec::new();
            while times.len() < self.replicas.len() {
                let (at, when) = seen.recv_timeout(SPAN).expect("each replica shows it");
                if at == number {
                    times.push(when);
                }
            }
            let first = times.iter().min().copied().expect("there is a replica");
            let later = times.iter().map(|when| (*when - first).as_secs_f64() * 1000.0);
            let mut later: Vec<_> = later.collect();
            later.sort_by(f64::total_cmp);
            delays.extend(later.into_iter().skip(1));
            thread::park_timeout(BETWEEN_CHANGES);
        }
        delays
    }

    /// Mints, and reads of lists.
    fn upstream(&self) -> (u64, u64) {
        let stats = self.cloud.stats();
        let count = |name: &str| stats[name].as_u64().expect("a count");
        (count("mint_attempts"), count("sddc_list_reads") + count("org_list_reads"))
    }

    fn asked(&self) -> Asked {
        let (mints, reads) = self.upstream();
        let info = redis_info(self.redis.port);
        let figure = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse::<u64>().ok()).expect("a figure of Redis")
        };
        Asked {
            mints,
            reads,
            commands: figure("total_commands_processed"),
            bytes: figure("total_net_input_bytes") + figure("total_net_output_bytes"),
        }
    }
}

impl Asked {
    fn since(self, before: &Self) -> Self {
        Self {
            mints: self.mints - before.mints,
            reads: self.reads - before.reads,
            commands: self.commands - before.commands,
            bytes: self.bytes - before.bytes,
        }
    }
}

/// Follows the events of a replica, and tells of each change when it came.
fn watch(address: SocketAddr, sender: mpsc::Sender<(usize, Instant)>) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream
        .write_all(b"GET /sddcs/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("it takes the request");
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let came = now();
            let number = line.split("\"name\":\"change-").nth(1);
            let number = number.and_then(|rest| rest.split('"').next()?.parse().ok());
            if let Some(number) = number
                && sender.send((number, came)).is_err()
            {
                return;
            }
        }
    });
}

fn join(load: Vec<thread::JoinHandle<()>>) {
    for thread in load {
        thread.join().expect("it asks to the end");
    }
}

fn redis_info(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("Redis listens");
    stream.write_all(b"INFO stats\r\nQUIT\r\n").expect("it takes the command");
    let mut info = String::new();
    stream.read_to_string(&mut info).expect("it answers");
    info
}

fn percentiles(mut delays: Vec<f64>) -> Option<(f64, f64, f64)> {
    delays.sort_by(f64::total_cmp);
    let last = delays.len().checked_sub(1)?;
    Some((delays[last / 2], delays[last * 99 / 100], delays[last]))
}

/// A cached answer of a gateway that shares, to that of one that does not.
fn cached_answer() {
    let (redis, folder) = (RedisServer::start(), TempDir::new().expect("a folder"));
    let keys = file(&folder, "keys", KEYS);
    let callers = format!("bench:{}", server::KEY_SHA256);
    let (url, keys) = (redis.url(), keys.to_str().expect("a path in text").to_owned());
    let off = Server::gateway_with(4, &[("ACCESS__KEYS", &callers)]);
    let on = Server::gateway_with(
        4,
        &[("ACCESS__KEYS", &callers), ("SHARED__REDIS_URL", &url), ("KEYS__FILE", &keys)],
    );
    let key = server::authorization();
    println!("A cached answer, 4 SDDCs");
    let turns = [("not shared", &off), ("shared", &on)].map(|(name, server)| {
        let load = Load::new(server, std::slice::from_ref(&key));
        Turn::new(name, 0, move |span| load.run(span))
    });
    turns::compare(&turns, 9, Duration::from_secs(2));
}

#[expect(clippy::cast_precision_loss, reason = "counts of half a minute")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
