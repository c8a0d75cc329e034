//! Why a proxy opened no tunnel.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::{StatusCode, Uri};
use tower::BoxError;
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, find};

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
        let fault = unsent(fault.cause, fault.healing);
        Self::new(proxy, destination, What::Unreachable, fault, Some(error))
    }

    /// It answered, and not with a tunnel.
    pub(super) fn answered(proxy: &Uri, destination: &Uri, status: StatusCode) -> Self {
        // 408 and 429 pass, and so does what a gateway says of the server behind it. What else there is (a policy, missing
        // credentials, something that is no proxy) stays until somebody changes it.
        let healing = match status.as_u16() {
            408 | 429 | 500 | 502 | 503 | 504 => Healing::Transient,
            _ => Healing::Permanent,
        };
        Self::new(proxy, destination, What::Answered(status), unsent(Cause::Proxy, healing), None)
    }

    /// The connection broke, or what came over it was not HTTP.
    pub(super) fn broken(proxy: &Uri, destination: &Uri, error: hyper::Error) -> Self {
        let fault = Fault::of(&error);
        // What is not HTTP is not a proxy.
        let cause = if fault.cause == Cause::Other { Cause::Proxy } else { fault.cause };
        Self::new(proxy, destination, What::Broken, unsent(cause, fault.healing), Some(error.into()))
    }

    /// Bytes came through the tunnel before TLS had begun, where the client speaks first.
    pub(super) fn spoke_first(proxy: &Uri, destination: &Uri) -> Self {
        Self::new(proxy, destination, What::SpokeFirst, unsent(Cause::Protocol, Healing::Permanent), None)
    }

    fn new(proxy: &Uri, destination: &Uri, what: What, fault: Fault, source: Option<BoxError>) -> Self {
        let source: Option<Arc<dyn Error + Send + Sync>> = source.map(Arc::from);
        let bearing =
            |mark| Self { proxy: authority(proxy), destination: authority(destination), what, mark };
        let mark = || match &source {
            Some(source) => Mark::fault(fault).with_source(Arc::clone(source)),
            None => Mark::fault(fault),
        };
        bearing(mark().with_bearer(bearing(mark())))
    }

    /// The first in an error's chain of causes, also where a wrapper (an `Arc`, say) hides its type.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        find(error)
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

const fn unsent(cause: Cause, healing: Healing) -> Fault {
    Fault::new(Phase::Proxy, Delivery::NeverSent, cause, healing)
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn it_is_found_where_a_wrapper_hides_it() {
        let (proxy, server) = (Uri::from_static("http://proxy:3128"), Uri::from_static("https://server"));
        let refused = |error: &(dyn Error + 'static)| {
            let found = ProxyError::of(error)?;
            assert_eq!(found.to_string(), "the proxy proxy:3128 can't be reached");
            assert_eq!(found.fault().cause, Cause::Reset);
            wire_fault::chain(found).find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)
        };
        let error = || {
            ProxyError::unreachable(&proxy, &server, io::Error::from(io::ErrorKind::ConnectionReset).into())
        };
        let boxed: BoxError = error().into();
        let reset = Some(io::ErrorKind::ConnectionReset);
        assert_eq!(refused(&error()), reset);
        assert_eq!(refused(&Arc::new(error())), reset);
        assert_eq!(refused(&*boxed), reset);
        assert_eq!(refused(&io::Error::other(Arc::new(error()))), reset);
        // As `anyhow!(boxed)` does.
        assert_eq!(refused(&Hidden(boxed)), reset);
    }

    #[derive(Debug)]
    struct Hidden(BoxError);

    impl fmt::Display for Hidden {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    impl Error for Hidden {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.0.source()
        }
    }
}
