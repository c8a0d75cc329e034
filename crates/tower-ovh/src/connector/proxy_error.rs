//! Why a proxy opened no tunnel.

use std::error::Error;
use std::fmt;

use http::{StatusCode, Uri};
use tower::BoxError;
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, chain};

/// A proxy opened no tunnel, so the call was not sent.
///
/// Its [`source`](Error::source) is a [`Mark`] that says so: [`Phase::Proxy`], never sent, and whether a repeat can heal it. It
/// lies in the chain of the client's error; [`of`](Self::of) finds it.
#[derive(Debug)]
pub struct ProxyError {
    /// "host:port", with no credentials.
    proxy: String,
    /// The same, of the server behind it.
    destination: String,
    what: What,
    mark: Mark,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Unreachable,
    Answered(StatusCode),
    Broken,
    SpokeFirst,
}

impl ProxyError {
    /// No connection to the proxy.
    pub(super) fn unreachable(proxy: &Uri, destination: &Uri, error: BoxError) -> Self {
        let fault = Fault::of(&*error);
        let mark = mark(fault.cause, fault.healing).with_source(error);
        Self::new(proxy, destination, What::Unreachable, mark)
    }

    /// It answered, and not with a tunnel.
    pub(super) fn answered(proxy: &Uri, destination: &Uri, status: StatusCode) -> Self {
        // 408 and 429 pass, and so does what a gateway says of the server behind it. What else there is (a policy, missing
        // credentials, something that is no proxy) stays until somebody changes it.
        let healing = match status.as_u16() {
            408 | 429 | 500 | 502 | 503 | 504 => Healing::Transient,
            _ => Healing::Permanent,
        };
        Self::new(proxy, destination, What::Answered(status), mark(Cause::Proxy, healing))
    }

    /// The connection broke, or what came over it was not HTTP.
    pub(super) fn broken(proxy: &Uri, destination: &Uri, error: hyper::Error) -> Self {
        let fault = Fault::of(&error);
        // What is not HTTP is not a proxy.
        let cause = if fault.cause == Cause::Other { Cause::Proxy } else { fault.cause };
        let mark = mark(cause, fault.healing).with_source(error);
        Self::new(proxy, destination, What::Broken, mark)
    }

    /// Bytes came through the tunnel before TLS had begun, where the client speaks first.
    pub(super) fn spoke_first(proxy: &Uri, destination: &Uri) -> Self {
        Self::new(proxy, destination, What::SpokeFirst, mark(Cause::Protocol, Healing::Permanent))
    }

    fn new(proxy: &Uri, destination: &Uri, what: What, mark: Mark) -> Self {
        Self { proxy: authority(proxy), destination: authority(destination), what, mark }
    }

    /// The first in an error's chain of causes.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        chain(error).find_map(|error| error.downcast_ref())
    }

    /// The status that the proxy answered with, if it did: 407 asks for credentials.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        match self.what {
            What::Answered(status) => Some(status),
            _ => None,
        }
    }

    /// The proxy: its host, and its port where that was named.
    #[must_use]
    pub fn proxy(&self) -> &str {
        &self.proxy
    }

    /// What the retry goes by.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::of(self)
    }
}

fn mark(cause: Cause, healing: Healing) -> Mark {
    Mark::fault(Fault::new(Phase::Proxy, Delivery::NeverSent, cause, healing))
}

fn authority(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    // The matcher has taken the credentials off; the destination is the caller's.
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, destination, .. } = self;
        match self.what {
            What::Unreachable => write!(f, "the proxy {proxy} can't be reached"),
            What::Answered(status) => {
                write!(f, "the proxy {proxy} answered {status} and opened no tunnel to {destination}")
            }
            What::Broken => {
                write!(f, "the proxy {proxy} broke off before it had opened a tunnel to {destination}")
            }
            What::SpokeFirst => {
                write!(f, "the proxy {proxy} sent bytes of its own through the tunnel to {destination}")
            }
        }
    }
}

impl Error for ProxyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}
