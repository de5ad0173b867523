//! What sharing needs to know.

use std::{fmt, path::PathBuf};

use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use secrecy::SecretString;
use url::Url;

use super::SealingKeys;
use crate::loopback::is_loopback_host;

const ONE_SERVER: &str = "names a cluster or Sentinels, which the gateway does not speak to: give the \
                          address of the primary, or of a proxy that leads to it";

/// The settings of sharing.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `shared.redis_url`, or the content of `shared.redis_url_file`.
    pub url: SharedUrl,
    /// `shared.redis_url_file`, where the URL is from it.
    pub url_file: Option<PathBuf>,
    /// The keys of `keys.file`.
    pub keys: SealingKeys,
}

/// Where Redis is, and how to log in there. Never printed: it may hold a password.
#[derive(Clone)]
pub struct SharedUrl {
    info: ConnectionInfo,
    password: Option<SecretString>,
    host: String,
    is_plain: bool,
    is_loopback: bool,
}

impl Settings {
    /// All that must not be in any text: the password, and the lines of the keys.
    pub fn secrets(&self) -> Vec<SecretString> {
        self.url.password.iter().cloned().chain(self.keys.lines()).collect()
    }
}

impl SharedUrl {
    /// Parses `redis[s]://[user[:password]@]host[:port][/database]`; `redis://` only to loopback or one
    /// of `plain_hosts`.
    ///
    /// # Errors
    /// What is wrong, in words that hold nothing of the text.
    pub fn parse(text: &str, plain_hosts: &[String]) -> Result<Self, &'static str> {
        // A password has no comma of its own where one would be taken for a list of servers.
        let servers = text.rsplit('@').next().unwrap_or(text);
        if servers.contains(',') {
            return Err(ONE_SERVER);
        }
        let url = Url::parse(text).map_err(|_| "is not a URL like rediss://redis.example:6379")?;
        let is_plain = match url.scheme() {
            "redis" | "valkey" => true,
            "rediss" | "valkeys" => false,
            scheme if scheme.contains("sentinel") || scheme.contains("cluster") => {
                return Err(ONE_SERVER);
            }
            _ => return Err("must begin with rediss:// (TLS) or redis://"),
        };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err("has no host");
        }
        // The client library takes settings from there that would switch off checks.
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must have no query and no fragment");
        }
        let parsed = url::Host::parse(url.host_str().unwrap_or_default());
        let is_loopback = parsed.is_ok_and(|host| match &host {
            url::Host::Domain(name) => is_loopback_host(&url::Host::Domain(name.as_str())),
            url::Host::Ipv4(address) => is_loopback_host(&url::Host::Ipv4(*address)),
            url::Host::Ipv6(address) => is_loopback_host(&url::Host::Ipv6(*address)),
        });
        let is_listed = plain_hosts.iter().any(|plain| plain.eq_ignore_ascii_case(&host));
        if is_plain && !is_loopback && !is_listed {
            return Err("must be rediss: plain redis is only for a loopback host, or one of \
                        shared.plain_hosts");
        }
        let info = url.into_connection_info().map_err(|_| "is not a URL of a Redis server")?;
        let redis = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3)
            // A server may refuse it, and some then log each refusal.
            .set_skip_set_lib_name();
        let password = redis.password().map(SecretString::from);
        let tcp = redis::io::tcp::TcpSettings::default().set_nodelay(true);
        let info = info.set_redis_settings(redis).set_tcp_settings(tcp);
        Ok(Self { info, password, host, is_plain, is_loopback })
    }

    /// The host, for a warning where it is reached without TLS.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is reached without TLS.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    pub(super) fn info(&self) -> ConnectionInfo {
        self.info.clone()
    }
}

impl fmt::Debug for SharedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedUrl").field("host", &self.host).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SharedUrl, &'static str> {
        SharedUrl::parse(text, &["redis.internal".to_owned()])
    }

    #[test]
    fn plain_redis_is_for_loopback_and_listed_hosts() {
        for good in [
            "redis://127.0.0.1:6379",
            "redis://[::1]/0",
            "redis://localhost",
            "redis://redis.internal:6380/1",
            "redis://REDIS.internal",
            "rediss://redis.example",
            "valkeys://user:secret@valkey.example:6380",
        ] {
            assert!(parse(good).is_ok(), "{good}: {:?}", parse(good).err());
        }
        assert!(parse("redis://redis.example").unwrap_err().contains("rediss"));
    }

    #[test]
    fn a_cluster_and_sentinels_are_refused_by_name() {
        for several in [
            "redis+sentinel://user:canary@redis.internal:26379/mymaster",
            "rediss+cluster://redis.internal",
            "redis-sentinel://redis.internal",
            "redis://user:canary@redis.internal:6379,redis.internal:6380",
        ] {
            let fault = parse(several).unwrap_err();
            assert!(fault.contains("cluster or Sentinels") && !fault.contains("canary"), "{fault}");
        }
        assert!(parse("rediss://user:a%2Cb@redis.example").is_ok());
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for bad in [
            "http://user:canary@redis.example",
            "rediss://user:canary@redis.example/#insecure",
            "rediss://user:canary@redis.example/?protocol=resp2",
            "rediss://user:canary@redis.example/first",
            "rediss://:canary@",
            "redis://user:canary@10.0.0.1",
            "canary",
        ] {
            let fault = parse(bad).unwrap_err();
            assert!(!fault.contains("canary"), "{fault}");
        }
        let good = parse("rediss://user:canary@redis.example").unwrap();
        assert!(!format!("{good:?}").contains("canary"));
    }
}
