//! From names to addresses.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec;

use hyper_util::client::legacy::connect::dns::{GaiFuture, GaiResolver, Name};
use tower_service::Service;

/// The operating system's resolver, but for names whose addresses the caller knows better.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    system: GaiResolver,
    known: Arc<HashMap<Box<str>, Box<[SocketAddr]>>>,
}

impl Resolver {
    pub(super) fn new() -> Self {
        Self { system: GaiResolver::new(), known: Arc::default() }
    }

    pub(super) fn know(&mut self, host: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        // The port is the URL's.
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
        Arc::make_mut(&mut self.known).insert(host.to_ascii_lowercase().into(), addresses);
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Resolving;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Resolving {
        match self.known.get(&*name.as_str().to_ascii_lowercase()) {
            Some(addresses) => Resolving::Known(addresses.to_vec()),
            None => Resolving::System(self.system.call(name)),
        }
    }
}

pub(super) enum Resolving {
    Known(Vec<SocketAddr>),
    System(GaiFuture),
}

impl Future for Resolving {
    type Output = io::Result<vec::IntoIter<SocketAddr>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.get_mut() {
            Self::Known(addresses) => Ok(std::mem::take(addresses).into_iter()),
            Self::System(future) => {
                ready!(Pin::new(future).poll(cx)).map(|addresses| addresses.collect::<Vec<_>>().into_iter())
            }
        })
    }
}
