//! Tokens as records: the one place where they meet Redis.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use serde::{Deserialize, Serialize};

use super::{Lease, Record, Replicas, ResourceKind, Turn};
use crate::{
    csp::{ReplicaToken, TokenLease, TokenSharing, TokenTurn},
    ids::OrgId,
};

/// Of the app's own organization, whose id need not be known.
const OWN_ORG: &str = "default";

#[derive(Serialize, Deserialize)]
struct TokenRecord<'a> {
    token: &'a str,
    /// When it was published.
    age: Duration,
    life: Duration,
}

impl TokenSharing for Replicas {
    fn turn<'a>(&'a self, org: Option<&'a OrgId>, newest: u64) -> BoxFuture<'a, TokenTurn> {
        let resource = self.resource(ResourceKind::Token, org.map_or(OWN_ORG, OrgId::as_str));
        // Also of tokens that were minted while nothing could be shared.
        resource.adopted(newest);
        async move {
            match resource.turn().await {
                Turn::Unshared => TokenTurn::Unshared,
                Turn::Granted(lease) => TokenTurn::Granted(Box::new(lease)),
                Turn::Taken(record) => match read(record) {
                    Some(token) => TokenTurn::Taken(token),
                    // Of another version: this one mints for itself.
                    None => TokenTurn::Unshared,
                },
            }
        }
        .boxed()
    }
}

fn read(record: Record) -> Option<ReplicaToken> {
    let (published, generation) = (record.age(), record.fence);
    let body = Zeroizing::new(record.body);
    let TokenRecord { token, age, life } = serde_json::from_slice(&body).ok()?;
    let token = SecretString::from(token);
    Some(ReplicaToken { token, generation, age: age + published, life })
}

impl TokenLease for Lease {
    fn generation(&self) -> u64 {
        self.fence()
    }

    fn publish(mut self: Box<Self>, token: ReplicaToken) -> BoxFuture<'static, ()> {
        async move {
            self.stamp();
            let ReplicaToken { token, age, life, .. } = token;
            let record = TokenRecord { token: token.expose_secret(), age, life };
            let body = Zeroizing::new(serde_json::to_vec(&record).expect("plain data"));
            Lease::publish(*self, &body, life).await;
        }
        .boxed()
    }
}
