//! The one connection to Redis: commands, and what other replicas publish.
//!
//! ```text
//! connect: open ─► subscribe ─► prove that it takes writes ─► watch: a PING each second ─► broken ─┐
//!    ▲                                                                                            │
//!    └────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Here alone is decided that a connection is good no longer: an error of the connection, two
//! commands in a row without an answer, a login that is refused, a server that takes no writes. Then
//! commands fail at once, without a wait (but for the first ones of a process), until a new one has proven itself. The library's own manager
//! of connections is not used: it stays with a server that is frozen, gives up for good after one
//! refused login, and lets commands wait for nine seconds while it connects (redis 1.8.1).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, PushInfo, PushKind, RedisError,
    RedisResult, ScriptInvocation, ServerErrorKind, Value, aio::MultiplexedConnection,
};
use tokio::sync::{Notify, mpsc, watch};

use super::{SharedUrl, SharingError, SharingStatus, scripts};

/// How long a command may take.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_millis(300);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long the first commands of a process wait for the first connection.
const FIRST_TRY: Duration = Duration::from_millis(500);
/// All that it takes until a connection has proven itself.
const START_TIMEOUT: Duration = Duration::from_secs(2);
const BETWEEN_PINGS: Duration = Duration::from_secs(1);
/// So many commands in a row without an answer end a connection.
const MAX_TIMEOUTS: u32 = 2;
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// How long a server keeps the key that proves that it takes writes.
const PROOF_MS: u64 = 5_000;

pub(super) struct Connection {
    url: SharedUrl,
    channel: String,
    current: ArcSwapOption<OpenConnection>,
    /// The first try to connect is over, or has taken too long.
    is_tried: watch::Sender<bool>,
    status: Mutex<SharingStatus>,
}

struct OpenConnection {
    redis: MultiplexedConnection,
    /// Commands in a row without an answer.
    timeouts: AtomicU32,
    /// Why it is good no longer.
    end: Mutex<Option<SharingError>>,
    ended: Notify,
}

impl OpenConnection {
    fn end(&self, error: SharingError) {
        self.end.lock().get_or_insert(error);
        self.ended.notify_one();
    }
}

impl Connection {
    pub(super) fn new(url: &SharedUrl, channel: String) -> Self {
        let status = Mutex::new(SharingStatus { is_ok: false, last_error: None });
        let (current, is_tried) = (ArcSwapOption::empty(), watch::Sender::new(false));
        Self { url: url.clone(), channel, current, is_tried, status }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    pub(super) fn status(&self) -> SharingStatus {
        *self.status.lock()
    }

    /// Runs a script, if there is a connection.
    pub(super) async fn run_script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, SharingError> {
        self.first_try().await;
        let Some(open) = self.current.load_full() else {
            return Err(self.status().last_error.unwrap_or(SharingError::Unreachable));
        };
        let mut redis = open.redis.clone();
        open.judge(tokio::time::timeout(COMMAND_TIMEOUT, script.invoke_async(&mut redis)).await)
    }

    /// At the start of the process what is to be shared waits for the first connection, a moment: else
    /// each start of a replica would cost a mint and a poll.
    async fn first_try(&self) {
        let mut is_tried = self.is_tried.subscribe();
        if tokio::time::timeout(FIRST_TRY, is_tried.wait_for(|it| *it)).await.is_err() {
            self.is_tried.send_replace(true);
        }
    }

    /// The fence of a record.
    pub(super) async fn fence(&self, record: &str) -> Result<u64, SharingError> {
        self.run_script(&scripts::FENCE.key(record)).await
    }

    /// Connects, as often as it takes. What is published comes through the receiver.
    pub(super) async fn connect(&self) -> mpsc::UnboundedReceiver<PushInfo> {
        let mut pause = MIN_PAUSE;
        loop {
            let (sender, pushed) = mpsc::unbounded_channel();
            let opened = tokio::time::timeout(START_TIMEOUT, self.open(sender)).await;
            match opened.unwrap_or(Err(SharingError::Timeout)) {
                Ok(open) => {
                    self.current.store(Some(Arc::new(open)));
                    self.note(None);
                    return pushed;
                }
                Err(error) => self.note(Some(error)),
            }
            // Replicas that lost it together do not come back in step.
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.75..=1.25))).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Passes on what is published, until the connection is good no longer.
    pub(super) async fn watch(
        &self,
        mut pushed: mpsc::UnboundedReceiver<PushInfo>,
        heard: impl Fn(&str),
    ) {
        self.first_try().await;
        let Some(open) = self.current.load_full() else { return };
        let error = open.watch(&mut pushed, heard).await;
        self.current.store(None);
        self.note(Some(error));
    }

    async fn open(
        &self,
        pushes: mpsc::UnboundedSender<PushInfo>,
    ) -> Result<OpenConnection, SharingError> {
        let config = AsyncConnectionConfig::new()
            .set_push_sender(pushes)
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None);
        let open = async {
            let client = Client::open(self.url.info())?;
            let mut redis = client.get_multiplexed_async_connection_with_config(&config).await?;
            redis.subscribe(&self.channel).await?;
            let proof = format!("{}:proof", self.channel);
            let mut set = redis::cmd("SET");
            set.arg(proof).arg(1).arg("PX").arg(PROOF_MS);
            set.query_async::<()>(&mut redis).await?;
            RedisResult::Ok(redis)
        };
        let redis = open.await.map_err(|error| classify(&error))?;
        let (timeouts, end, ended) = (AtomicU32::new(0), Mutex::default(), Notify::new());
        Ok(OpenConnection { redis, timeouts, end, ended })
    }

    /// Connects once, for `check`. Tells the server's `maxmemory-policy`, where that may be asked.
    pub(super) async fn probe(&self) -> Result<Option<String>, SharingError> {
        let (sender, _receiver) = mpsc::unbounded_channel();
        let opened = tokio::time::timeout(START_TIMEOUT, self.open(sender)).await;
        let mut open = opened.unwrap_or(Err(SharingError::Timeout))?;
        let mut policy = redis::cmd("CONFIG");
        let answer = policy.arg("GET").arg("maxmemory-policy").query_async(&mut open.redis);
        let answer = tokio::time::timeout(COMMAND_TIMEOUT, answer).await;
        let answer: Option<Vec<String>> = answer.ok().and_then(Result::ok);
        Ok(answer.and_then(|fields| fields.into_iter().nth(1)))
    }

    fn note(&self, error: Option<SharingError>) {
        let mut status = self.status.lock();
        let before = *status;
        *status = SharingStatus { is_ok: error.is_none(), last_error: error.or(before.last_error) };
        drop(status);
        self.is_tried.send_replace(true);
        match error {
            None if !before.is_ok => tracing::info!("Redis is connected: replicas share"),
            Some(error) if before.is_ok || before.last_error != Some(error) => {
                tracing::warn!(%error, "this replica shares nothing until Redis answers");
            }
            _ => {}
        }
    }
}

impl OpenConnection {
    /// Returns why it is good no longer.
    async fn watch(
        &self,
        pushed: &mut mpsc::UnboundedReceiver<PushInfo>,
        heard: impl Fn(&str),
    ) -> SharingError {
        let mut pings = tokio::time::interval(BETWEEN_PINGS);
        pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if let Some(error) = *self.end.lock() {
                return error;
            }
            tokio::select! {
                () = self.ended.notified() => {}
                push = pushed.recv() => match push {
                    Some(PushInfo { kind: PushKind::Message, data }) => {
                        if let [_, Value::BulkString(message)] = &*data
                            && let Ok(message) = std::str::from_utf8(message)
                        {
                            heard(message);
                        }
                    }
                    Some(PushInfo { kind: PushKind::Disconnection, .. }) | None => {
                        self.end(SharingError::Unreachable);
                    }
                    Some(_) => {}
                },
                _ = pings.tick() => {
                    let (mut redis, ping) = (self.redis.clone(), redis::cmd("PING"));
                    let answer = ping.query_async::<()>(&mut redis);
                    let _ = self.judge(tokio::time::timeout(COMMAND_TIMEOUT, answer).await);
                }
            }
        }
    }

    /// What the outcome of a command says of the connection.
    fn judge<T>(
        &self,
        outcome: Result<RedisResult<T>, tokio::time::error::Elapsed>,
    ) -> Result<T, SharingError> {
        let error = match outcome {
            Ok(Ok(value)) => {
                self.timeouts.store(0, Ordering::Relaxed);
                return Ok(value);
            }
            Ok(Err(error)) => classify(&error),
            Err(_elapsed) => SharingError::Timeout,
        };
        let is_over = match error {
            SharingError::Timeout => {
                self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_TIMEOUTS
            }
            SharingError::Unreachable | SharingError::Denied | SharingError::ReadOnly => true,
            SharingError::Unexpected => false,
        };
        if is_over {
            self.end(error);
        }
        Err(error)
    }
}

fn classify(error: &RedisError) -> SharingError {
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            SharingError::Denied
        }
        ErrorKind::Server(
            ServerErrorKind::ReadOnly
            | ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ExecAbort,
        ) => SharingError::ReadOnly,
        ErrorKind::Io if error.is_timeout() => SharingError::Timeout,
        ErrorKind::Io => SharingError::Unreachable,
        _ => match error.code() {
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => SharingError::Denied,
            Some("OOM" | "NOREPLICAS" | "READONLY" | "MISCONF") => SharingError::ReadOnly,
            _ => SharingError::Unexpected,
        },
    }
}
